// Package brokertest is the conformance suite of broker.Broker: what it demands
// is what a chat server relies on, whichever implementation runs below it.
//
// The suite assumes neither that delivery is done when an ack comes nor that all
// brokers live in one process; it waits for conditions, with a deadline. It uses
// rooms of random ids, so the log under the brokers need not be empty.
package brokertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// patience is how long anything may take that must happen.
const patience = 20 * time.Second

// Run checks one broker. open gives a running one; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) broker.Broker) {
	t.Helper()
	RunCluster(t, func(t *testing.T) []broker.Broker { return []broker.Broker{open(t)} })
}

// RunCluster checks several brokers over one log: what goes into one comes out
// of all. open gives running ones, at least one; the suite closes each, and one
// that is listed twice twice.
func RunCluster(t *testing.T, open func(t *testing.T) []broker.Broker) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*cluster)
	}{
		{"a new room is empty and has an epoch", newRoomIsEmpty},
		{"a message comes back as it was sent", messageIsKept},
		{"every subscriber sees one order under concurrent sends", oneOrder},
		{"a send is done once whoever repeats it", sentOnce},
		{"an id is the user's and the room's own", idScope},
		{"any sequence of sends agrees with the model", sendsAgreeWithModel},
		{"subscribers who join in mid-stream miss nothing", joinInMidStream},
		{"tail and subscription fit together in mid-stream", tailMeetsSubscription},
		{"a closed subscription is not called again", unsubscribe},
		{"the tail reaches from a seq to the head", tailEdges},
		{"the tail outlives the subscribers", tailWithoutSubscribers},
		{"notices reach the room and no other", notices},
		{"close answers everything", closeAnswers},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &cluster{T: t, brokers: open(t)}
			t.Cleanup(c.close)
			test.run(c)
		})
	}
}

// cluster is the brokers under test with the means to use them.
type cluster struct {
	*testing.T
	brokers []broker.Broker
}

func (c *cluster) close() {
	for i, b := range c.brokers {
		if err := b.Close(); err != nil {
			c.Errorf("close broker %d: %v", i, err)
		}
	}
}

// at is one of the brokers, in turn.
func (c *cluster) at(i int) broker.Broker { return c.brokers[i%len(c.brokers)] }

// context ends with the test, or when patience does.
func (c *cluster) context() context.Context {
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	c.Cleanup(cancel)
	return ctx
}

// newRoom is the id of a room that surely nobody has used.
func newRoom() bw.RoomID { return 1 + bw.RoomID(rand.Int64N(int64(bw.MaxRoomID))) }

type answer struct {
	broker.Ack
	err error
}

// send sends and waits for the answer.
func send(t interface {
	Helper()
	Fatalf(string, ...any)
}, b broker.Broker, s broker.Send,
) answer {
	t.Helper()
	answers := make(chan answer, 1)
	b.Send(s, func(a broker.Ack, err error) { answers <- answer{a, err} })
	select {
	case a := <-answers:
		return a
	case <-time.After(patience):
		t.Fatalf("send %q to room %d: no answer within %v", s.ID, s.Room, patience)
		return answer{}
	}
}

// fill stores n messages in a room and gives them as they must be read.
func (c *cluster) fill(room bw.RoomID, n int) []bw.Message {
	c.Helper()
	var stored []bw.Message
	for range n {
		s := numbered(room, "ann", len(stored))
		a := send(c, c.at(len(stored)), s)
		if a.err != nil {
			c.Fatalf("send %q: %v", s.ID, a.err)
		}
		stored = append(stored, messageOf(s, a.Ack))
	}
	return stored
}

// numbered is the i-th send of a user.
func numbered(room bw.RoomID, user bw.Name, i int) broker.Send {
	return broker.Send{
		Room: room, User: user,
		ID: bw.MessageID(fmt.Sprintf("%s-%d", user, i)), Text: fmt.Sprintf("line %d of %s", i, user),
	}
}

// messageOf is the message that readers see after that send got that ack.
func messageOf(s broker.Send, a broker.Ack) bw.Message {
	return bw.Message{
		Room: s.Room, Epoch: a.Epoch, Seq: a.Seq, ID: s.ID, User: s.User, Text: s.Text, Timestamp: a.Timestamp,
	}
}

// join subscribes a new recorder to a room of a broker.
func (c *cluster) join(b broker.Broker, room bw.RoomID) *recorder {
	c.Helper()
	r := newRecorder()
	s, pos, err := b.Subscribe(c.context(), room, r)
	if err != nil {
		c.Fatalf("subscribe to room %d: %v", room, err)
	}
	c.Cleanup(s.Close)
	r.subscription, r.start = s, pos
	return r
}

func (c *cluster) tail(b broker.Broker, room bw.RoomID, after bw.Seq, limit int) broker.Tail {
	c.Helper()
	tail, err := b.Tail(c.context(), room, after, limit)
	if err != nil {
		c.Fatalf("tail of room %d after %d, limit %d: %v", room, after, limit, err)
	}
	return tail
}

// wantMessages compares two runs of messages.
func (c *cluster) wantMessages(what string, got, want []bw.Message) {
	c.Helper()
	if slices.Equal(got, want) {
		return
	}
	if len(got) != len(want) {
		c.Fatalf("%s: got %d messages, want %d\n got %v\nwant %v", what, len(got), len(want), got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			c.Fatalf("%s: message %d of %d: got %+v, want %+v", what, i, len(want), got[i], want[i])
		}
	}
}
