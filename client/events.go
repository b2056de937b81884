package client

import (
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

// Event is what a client tells its application: a Message, Joined, Missing,
// Reset, Gone, Presence, Typing, State or Failure.
type Event interface{ event() }

// Message is a message of a room that was joined. Each comes once, in the order
// of the room, whatever happens to connections. Replay tells that it comes out
// of a playback or the history and not live.
type Message struct {
	bw.Message
	Replay bool
}

// Joined tells that the room is followed now, for the first time or again after
// a reconnection. Recovered tells that nothing was missed since the last
// position; if it is false after a reconnection, what was missed is being
// fetched, or told by Missing. Users is the number of users in the room.
type Joined struct {
	Room      bw.RoomID
	Position  bw.Position
	Recovered bool
	Users     int
}

// Missing tells that the messages From to To, both inclusive, were not
// delivered and will not be: the history does not have them, or the client was
// told not to fetch them (Config.NoFetch). What comes next goes on behind To.
type Missing struct {
	Room     bw.RoomID
	Epoch    bw.Epoch
	From, To bw.Seq
}

// Reset tells that the room's log has begun a new epoch, or was taken back in
// time. From is the last message that was delivered, To the first of what
// follows. What came behind From in the old life and is not delivered is lost;
// if To is not above From, what was delivered from To on is not in the log any more.
type Reset struct {
	Room     bw.RoomID
	From, To bw.Position
}

// Gone tells that the room cannot be joined (any more). The client has dropped
// it and goes on with the others. Err is a *breakwater.Error.
type Gone struct {
	Room bw.RoomID
	Err  error
}

// Presence tells who came and went. The lists are capped, Users is the true count.
type Presence struct {
	Room         bw.RoomID
	Users        int
	Joined, Left []bw.Name
}

// Typing tells that somebody else is writing.
type Typing struct {
	Room bw.RoomID
	User bw.Name
}

// Failure is an error of the server that belongs to no request.
type Failure struct{ Err error }

// Phase is how a client stands.
type Phase string

// The phases of a client.
const (
	Idle       Phase = "idle"       // no room was joined, or all were left
	Connecting Phase = "connecting" // a connection is being made
	Live       Phase = "live"       // there is a connection
	Waiting    Phase = "waiting"    // the next attempt is at State.RetryAt
	Ended      Phase = "ended"      // for good; State.Err says why. The last event
)

// State is how a client stands and why. It comes with every change.
type State struct {
	Phase Phase
	// Reason is one word: a reason of a close code (draining, slow_consumer, …), the
	// code of a problem document, or network, unreachable, busy, token_rejected,
	// closed, connected.
	Reason string
	// Attempt counts the attempts since the last connection that lasted.
	Attempt int
	// RetryAt is set while waiting.
	RetryAt time.Time
	// Err is set at the end.
	Err error
}

// Reasons that are not those of a close code.
const (
	reasonStart       = "not_started"
	reasonConnected   = "connected"
	reasonNetwork     = "network"        // the connection was lost without a word
	reasonUnreachable = "unreachable"    // it could not be made
	reasonBusy        = "busy"           // the server asks to come later
	reasonRejected    = "token_rejected" // a 401; a fresh token is tried
	reasonNoRoom      = "no_room"
	reasonClosed      = "closed"
)

func (Message) event()  {}
func (Joined) event()   {}
func (Missing) event()  {}
func (Reset) event()    {}
func (Gone) event()     {}
func (Presence) event() {}
func (Typing) event()   {}
func (Failure) event()  {}
func (State) event()    {}
