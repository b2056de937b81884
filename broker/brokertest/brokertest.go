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

// Harness is an implementation under test.
type Harness struct {
	// Brokers run over one log: what goes into one comes out of all. There is at
	// least one; the suite closes each.
	Brokers []broker.Broker
	// ReadLog reads, past the brokers, up to limit messages of a room that
	// follow a seq: those that would be left if all brokers died at this moment.
	// It works when the brokers are closed, too, and is called from acks and
	// deliveries.
	ReadLog func(ctx context.Context, room bw.RoomID, after bw.Seq, limit int) ([]bw.Message, error)
	// Clocks move the clocks that the brokers go by, by a time that may be
	// negative; brokers may share one. None for an implementation whose clock
	// cannot be moved: it does without the cases that are about time.
	Clocks []func(by time.Duration)
	// StallLog keeps the log from storing anything until resume is called. The
	// suite takes much less time over it than a broker should be patient. Nil
	// does without the cases that need it.
	StallLog func() (resume func())
}

// Run checks an implementation. open gives running brokers, others for each case.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*cluster)
	}{
		{"a new room is empty and has an epoch", newRoomIsEmpty},
		{"a message comes back as it was sent", messageIsKept},
		{"every subscriber sees one order under concurrent sends", oneOrder},
		{"a message is durable before it is acked or delivered", durableFirst},
		{"a send is done once whoever repeats it", sentOnce},
		{"an id is the user's and the room's own", idScope},
		{"any sends at once agree with the model", sendsAgreeWithModel},
		{"a send is remembered for the dedupe window", dedupeWindow},
		{"timestamps do not follow a clock back", timestampsGrow},
		{"subscribers who join in mid-stream miss nothing", joinInMidStream},
		{"tail and subscription fit together in mid-stream", tailMeetsSubscription},
		{"a closed subscription is not called again", unsubscribe},
		{"the tail reaches from a seq to the head", tailEdges},
		{"the tail outlives the subscribers", tailWithoutSubscribers},
		{"notices reach the room and no other", notices},
		{"what was announced reaches every server", announcements},
		{"a receiver is called by one at a time", oneCallAtATime},
		{"a full queue refuses, and works again", fullQueue},
		{"close answers everything, whatever races with it", closeAnswers},
		{"a broker that closes leaves the others at work", closeOne},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &cluster{T: t, Harness: open(t)}
			t.Cleanup(c.close)
			test.run(c)
		})
	}
}

// cluster is the brokers under test with the means to use them.
type cluster struct {
	*testing.T
	Harness
}

func (c *cluster) close() {
	for i, b := range c.Brokers {
		if err := b.Close(); err != nil {
			c.Errorf("close broker %d: %v", i, err)
		}
	}
}

// at is one of the brokers, in turn.
func (c *cluster) at(i int) broker.Broker { return c.Brokers[i%len(c.Brokers)] }

// context ends with the test, or when patience does.
func (c *cluster) context() context.Context {
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	c.Cleanup(cancel)
	return ctx
}

// newRoom is a room that was made just now, with an id that surely nobody has used.
func (c *cluster) newRoom() bw.RoomID {
	c.Helper()
	room := 1 + bw.RoomID(rand.Int64N(int64(bw.MaxRoomID)))
	if err := c.at(0).Begin(c.context(), room); err != nil {
		c.Fatalf("begin room %d: %v", room, err)
	}
	return room
}

type answer struct {
	broker.Ack
	err error
}

// tester is what a *testing.T and a *rapid.T have in common.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// send sends and waits for the answer.
func send(t tester, b broker.Broker, s broker.Send) answer {
	t.Helper()
	return wait(t, s, begin(b, s))
}

// begin sends without waiting; the channel has room for one answer too many.
func begin(b broker.Broker, s broker.Send) <-chan answer {
	answers := make(chan answer, 2)
	b.Send(s, func(a broker.Ack, err error) { answers <- answer{a, err} })
	return answers
}

// wait waits for the answer of a send.
func wait(t tester, s broker.Send, answers <-chan answer) answer {
	t.Helper()
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

// joinEach subscribes a recorder at each broker.
func (c *cluster) joinEach(room bw.RoomID) []*recorder {
	c.Helper()
	var all []*recorder
	for _, b := range c.Brokers {
		all = append(all, c.join(b, room))
	}
	return all
}

// log is all that is durable of a room.
func (c *cluster) log(room bw.RoomID) []bw.Message {
	c.Helper()
	const plenty = 1 << 20
	messages, err := c.ReadLog(context.Background(), room, 0, plenty)
	if err != nil {
		c.Fatalf("read the log of room %d: %v", room, err)
	}
	for i, m := range messages {
		if m.Seq != bw.Seq(i+1) {
			c.Fatalf("log of room %d: got seq %d in place %d", room, m.Seq, i+1)
		}
	}
	return messages
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
