package oracle

import "time"

// Kind says what an Event tells.
type Kind string

// What a client did and saw. All of these have Client and Conn.
const (
	// Connected: the upgrade was answered. User is whose connection it is, Server
	// the server if it is known. Room is the room of the URL: the server may list
	// the user there from now on, though he was not told that he joined.
	Connected Kind = "connected"
	// Closed: the connection ended, with Code as the close code, "1006" if there was
	// none, and "1000" if the client closed it: at the moment when it began to.
	Closed Kind = "closed"
	// Sent: the client is about to send ID and Text to Room. Each try is an event of
	// its own. Conn is 0, and User set, for a POST.
	Sent Kind = "sent"
	// Acked and Refused answer one Sent of the same Client, Conn, Room and ID:
	// with a position and Duplicate, or with the code of the error.
	Acked   Kind = "acked"
	Refused Kind = "refused"
	// Joined: Room is joined at the position Epoch, Seq. Since is what the client
	// asked to resume after, and meaningful if Recovered. The playback is in
	// Messages; who does not keep them gives their range From to To in their place.
	// Asked is when the join was asked for.
	Joined Kind = "joined"
	// Left: the client has left Room by its own will, and asked for it at Asked.
	Left Kind = "left"
	// Received: a live message; User is who is said to have sent it.
	Received Kind = "received"
	// Gap: From to To of Room are not delivered live; what follows goes on in Epoch.
	Gap Kind = "gap"
	// Fetched: a page of Room, which covers From to To, asked for at Asked.
	Fetched Kind = "fetched"
	// Came and Went: a presence frame named these Names. One with names both ways is two events.
	Came Kind = "came"
	Went Kind = "went"
)

// What the drill did and read.
const (
	// Run begins a history and has its Bounds.
	Run Kind = "run"
	// List: Room's user list as Server gave it, asked for at Asked, answered at At.
	List Kind = "list"
	// Died: Server was killed.
	Died Kind = "died"
	// Fault and Healed are the begin and the end of the fault ID. If Server is set,
	// its connections may be taken for lost meanwhile. Names are what it excuses:
	// Unannounced, LogLost.
	Fault  Kind = "fault"
	Healed Kind = "healed"
	// Document: Elasticsearch holds ID of User with Text at Room, Epoch and Seq.
	Document Kind = "document"
	// Membership: MySQL holds a row of User in Room on Server ("" if not known).
	Membership Kind = "membership"
	// Complete: of the facts in Names (Documents, Memberships, Presence, Fetches) the
	// history has all. Documents and Memberships were read at this time.
	Complete Kind = "complete"
	// End ends a history. Connections that are open then stay so.
	End Kind = "end"
)

// Facts that a Complete names, and what a Fault excuses.
const (
	Documents   = "documents"
	Memberships = "memberships"
	Presence    = "presence" // every client noted every presence frame
	Fetches     = "fetches"  // clients fetch what they are told that they missed

	Unannounced = "unannounced" // comings and goings may go untold
	LogLost     = "log_lost"    // acked messages may be lost, if a new epoch begins
)

// Event is one thing that somebody did, saw or read. Kind says which fields mean
// something; the others are zero.
type Event struct {
	// At is the time since the run's start.
	At   time.Duration `json:"at"`
	Kind Kind          `json:"kind"`
	// Client names who holds connections; Conn numbers them from 1, in any order.
	Client string `json:"client,omitempty"`
	Conn   int    `json:"conn,omitempty"`
	User   string `json:"user,omitempty"`
	Server string `json:"server,omitempty"`
	Room   int64  `json:"room,omitempty"`
	Epoch  int64  `json:"epoch,omitempty"`
	Seq    int64  `json:"seq,omitempty"`
	ID     string `json:"id,omitempty"`
	Text   string `json:"text,omitempty"`
	Code   string `json:"code,omitempty"`
	// From and To are both inclusive.
	From      int64         `json:"from,omitempty"`
	To        int64         `json:"to,omitempty"`
	Since     int64         `json:"since,omitempty"`
	Asked     time.Duration `json:"asked,omitempty"`
	Recovered bool          `json:"recovered,omitempty"`
	Duplicate bool          `json:"duplicate,omitempty"`
	Names     []string      `json:"names,omitempty"`
	Messages  []Message     `json:"messages,omitempty"`
	Bounds    *Bounds       `json:"bounds,omitempty"`
}

// Message is a message of a room's log as somebody got it.
type Message struct {
	Epoch int64  `json:"epoch"`
	Seq   int64  `json:"seq"`
	ID    string `json:"id"`
	User  string `json:"user"`
	Text  string `json:"text"`
}

// History is all that is known of a run. Judge sorts by At what is not in that
// order; events of one time keep their order.
type History []Event

// Bounds are the times and sizes that a run's promises are held to. They are taken
// as they stand: a zero is a zero.
type Bounds struct {
	// Grace is allowed from a change to its effect: an answer, a delivery, a fetch, a
	// presence frame, a user list.
	Grace time.Duration `json:"grace"`
	// LossGrace is allowed in its place for a connection that was lost, and after a
	// server's death or a fault's end.
	LossGrace time.Duration `json:"loss_grace"`
	// ReturnGrace: whose server died and who is back sooner is not told gone.
	ReturnGrace time.Duration `json:"return_grace"`
	// Skew is how much later than it happened something may be noted.
	Skew time.Duration `json:"skew"`
	// IDWindow is how long the server remembers an id.
	IDWindow time.Duration `json:"id_window"`
	// Playback is how many messages a first join brings.
	Playback int64 `json:"playback"`
	// PresenceNames is how many names a presence frame has each way at most: where
	// there are so many, some may have gone untold.
	PresenceNames int `json:"presence_names"`
}

// DefaultBounds are those of the contract, for a cluster with a lease of 15 s.
func DefaultBounds() Bounds {
	return Bounds{
		Grace: 5 * time.Second, LossGrace: 35 * time.Second, ReturnGrace: 15 * time.Second, Skew: time.Second,
		IDWindow: 5 * time.Minute, Playback: 50, PresenceNames: 20,
	}
}

// message is what a Received or a Document holds.
func (e *Event) message() Message { return Message{e.Epoch, e.Seq, e.ID, e.User, e.Text} }

// asked is when the question was put; its answer's time if that is not known.
func (e *Event) asked() time.Duration {
	if e.Asked > 0 && e.Asked < e.At {
		return e.Asked
	}
	return e.At
}

// ofClient tells whether a kind is something that a client did or saw.
func (k Kind) ofClient() bool {
	switch k {
	case Connected, Closed, Sent, Acked, Refused, Joined, Left, Received, Gap, Fetched, Came, Went:
		return true
	default:
		return false
	}
}

// ofWorld tells whether a kind is something that the drill did or read.
func (k Kind) ofWorld() bool {
	switch k {
	case Run, List, Died, Fault, Healed, Document, Membership, Complete, End:
		return true
	default:
		return false
	}
}
