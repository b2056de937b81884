// Package broker is the contract of a room's ordered log and its fan-out.
//
// Invariants that every implementation keeps, and brokertest checks:
//
//   - One order: a message's (epoch, seq) is given once. Every subscriber of a
//     room sees its messages in seq order, each once, contiguous from the
//     position that Subscribe returned, or is told of a Gap.
//   - Acked is kept: when a send is answered with an Ack that is not an error,
//     its message is durable; it is never delivered before it is durable.
//   - A send is done once: the same (room, user, id) within
//     breakwater.DedupeWindow stores nothing and answers the first Ack with
//     Duplicate set; with another text it fails with IDConflict.
//   - A send that fails with Unavailable may have been stored or not; sending
//     it again with the same id is safe.
//   - Timestamps never go backwards within a room.
package broker

import (
	"context"

	bw "github.com/breakwater-chat/breakwater"
)

// Send is a message on its way into a room's log.
type Send struct {
	Room bw.RoomID
	User bw.Name
	ID   bw.MessageID
	Text string
}

// Ack is the answer to a stored send.
type Ack struct {
	bw.Position
	Timestamp bw.Millis
	Duplicate bool
}

// Notice is a thing told to everybody in a room and never stored: best effort,
// unordered with messages.
type Notice struct {
	// ID is 0, or names a notice that may be told more than once: whoever is told it
	// again can tell.
	ID   int64
	Room bw.RoomID
	// Typing is the name of a user who types; empty in a presence notice.
	Typing bw.Name
	// Joined and Left are users who came (first connection) or went (last one).
	Joined, Left []bw.Name
	// Users is the number of distinct users in the room after that change and
	// PresenceVersion orders such counts: a smaller version is older news.
	Users           int
	PresenceVersion int64
}

// Receiver is one server's view of one room. The broker calls its methods one
// at a time, from goroutines of its own; they must not block and must not call
// back into the broker. The first call may come before Subscribe has returned.
// Slices are the receiver's to read during the call, not to change or to keep;
// the strings in them may be kept.
type Receiver interface {
	// Deliver hands over messages that follow the last ones without a hole.
	Deliver(batch []bw.Message)
	// Gap says that the messages from..to (inclusive) of the epoch cannot be
	// delivered live; the next Deliver follows to. An epoch other than the
	// receiver's is a new life of the log.
	Gap(epoch bw.Epoch, from, to bw.Seq)
	// Notify hands over a notice.
	Notify(n Notice)
}

// Subscription is a running delivery.
type Subscription interface {
	// Close ends it; the receiver is not called after Close returned. It waits
	// for a running call, so the caller must not hold a lock that the receiver
	// takes. Only the first Close does anything.
	Close()
}

// Tail is the newest part of a room's log.
type Tail struct {
	// Head is the room's newest position.
	Head bw.Position
	// Begins is the first seq of Head's epoch; 0 when the log does not know it.
	Begins bw.Seq
	// Messages are oldest first and end at Head (empty in an empty room). They
	// are the caller's.
	Messages []bw.Message
	// Complete is true when Messages holds everything after the seq that was
	// asked for; false when older ones had to be left to the history.
	Complete bool
}

// Broker orders, stores and distributes the messages of all rooms.
type Broker interface {
	// Begin says that a room was made just now: its first message will be seq 1.
	// Without it a log that has no memory of the room cannot tell a new room from
	// one that it has forgotten, and begins far above whatever may have been
	// stored. Errors as in Subscribe; repeating it changes nothing.
	Begin(ctx context.Context, room bw.RoomID) error
	// Send stores one message. It never blocks: done is called exactly once,
	// from another goroutine or before Send returns, and must not block. The
	// error is a *breakwater.Error: Unavailable when the log cannot be written
	// now or its queue (bounded in bytes) is full, IDConflict. The room must
	// exist; the broker does not check it. The strings of s are kept: they must
	// not be parts of larger or reused buffers.
	Send(s Send, done func(Ack, error))
	// Notify tells all subscribers of the room, on every server. Best effort,
	// never blocks; what cannot be sent is dropped and counted. The slices of n
	// are the broker's from then on.
	Notify(n Notice)
	// Announce tells as Notify does, but blocks, and says whether all of it is on its
	// way: if not, each notice may have been told or not. The error is a
	// *breakwater.Error: Unavailable. The slices in notices are the broker's from
	// then on.
	Announce(ctx context.Context, notices []Notice) error
	// Subscribe starts delivery: the first message is the one after the
	// returned position. It does not wait for receivers. The error is a
	// *breakwater.Error: Unavailable when the log cannot be read now.
	Subscribe(ctx context.Context, room bw.RoomID, r Receiver) (Subscription, bw.Position, error)
	// Tail reads what is newer than after, at most the newest limit messages,
	// without asking the history. limit 0 reads the head only. It has at least
	// what this broker had acked or delivered, and the position that it had
	// given to a subscriber, before the call. Errors as in Subscribe.
	Tail(ctx context.Context, room bw.RoomID, after bw.Seq, limit int) (Tail, error)
	// Healthy tells whether sends can work now; nil is healthy, the error says
	// why not. It asks nobody and costs next to nothing.
	Healthy(ctx context.Context) error
	// Close answers everything that was accepted, then stops: no receiver is
	// called after it returned. Later sends fail with Unavailable. It may be
	// called more than once.
	Close() error
}
