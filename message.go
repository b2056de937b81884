package breakwater

import "time"

// Epoch names one life of a room's log. Within an epoch seqs only grow; a new
// epoch begins, above every seq ever known, when a log has lost its memory.
// Later epochs are larger. It is the Unix time in milliseconds at which the
// life began, so it stays below 2^53 and survives JavaScript numbers.
type Epoch int64

// Seq is the place of a message in its room's log. The first message of a room
// is 1; 0 means "before the first". Seqs never repeat, not even across epochs.
type Seq int64

// MessageID is the name that a client chose for a message, 1–64 characters,
// unique per user and room for as long as DedupeWindow.
type MessageID string

// Millis is a time in milliseconds since the Unix epoch.
type Millis int64

// MillisOf converts a time, dropping what is below a millisecond.
func MillisOf(t time.Time) Millis { return Millis(t.UnixMilli()) }

// Time converts back, in UTC.
func (m Millis) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// DedupeWindow is how long a send is remembered: sent again with the same id
// within it, a message is answered as the duplicate that it is.
const DedupeWindow = 5 * time.Minute

// Position is a place in a room's log: everything up to and including Seq.
type Position struct {
	Epoch Epoch `json:"epoch"`
	Seq   Seq   `json:"seq"`
}

// Message is one stored line of a room, as every reader of the contract sees it.
type Message struct {
	Room  RoomID    `json:"room"`
	Epoch Epoch     `json:"epoch"`
	Seq   Seq       `json:"seq"`
	ID    MessageID `json:"id"`
	// User is the sender's name.
	User Name   `json:"user"`
	Text string `json:"text"`
	// Timestamp never goes backwards within a room.
	Timestamp Millis `json:"timestamp"`
}

// Position is the message's own place.
func (m Message) Position() Position { return Position{Epoch: m.Epoch, Seq: m.Seq} }
