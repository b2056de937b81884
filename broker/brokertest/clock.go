package brokertest

import (
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// moveClocks moves all clocks by a time.
func (c *cluster) moveClocks(by time.Duration) {
	for _, move := range c.Clocks {
		move(by)
	}
}

// again repeats a send at every broker, and wants the first ack as a duplicate
// and no other text under that id.
func (c *cluster) again(when string, s broker.Send, first broker.Ack) {
	c.Helper()
	for i, b := range c.Brokers {
		want := first
		want.Duplicate = true
		if got := send(c, b, s); got.err != nil || got.Ack != want {
			c.Fatalf("repeat %s at broker %d: got %+v, want %+v", when, i, got, want)
		}
		other := s
		other.Text = "another text"
		if got := send(c, b, other); bw.KindOf(got.err) != bw.IDConflict {
			c.Fatalf("another text %s at broker %d: got %+v, want %s", when, i, got, bw.IDConflict)
		}
	}
}

func dedupeWindow(c *cluster) {
	if len(c.Clocks) == 0 {
		return
	}
	// The clock goes on while the case runs.
	const slack = 2 * patience
	room := c.newRoom()
	store := func(s broker.Send, seq bw.Seq) broker.Ack {
		c.Helper()
		a := send(c, c.at(int(seq)), s)
		if a.err != nil || a.Duplicate || a.Seq != seq {
			c.Fatalf("send %+v: got %+v, want a new message with seq %d", s, a, seq)
		}
		return a.Ack
	}
	first, second, later := numbered(room, "ann", 0), numbered(room, "ann", 1), numbered(room, "ann", 0)
	firstAck := store(first, 1)
	c.again("at once", first, firstAck)
	c.moveClocks(-time.Hour)
	c.again("when the clock has gone back", first, firstAck)
	c.moveClocks(time.Hour + bw.DedupeWindow/2)
	secondAck := store(second, 2)
	c.moveClocks(bw.DedupeWindow/2 - slack)
	c.again("near the end of the window", first, firstAck)

	// The repeats have not begun it anew.
	c.moveClocks(2 * slack)
	later.Text = "a later text"
	laterAck := store(later, 3)
	c.again("of the later text", later, laterAck)
	c.again("in the window of the second", second, secondAck)
	c.moveClocks(bw.DedupeWindow/2 - 2*slack)
	c.again("near the end of the window of the second", second, secondAck)
}

// timestampsGrow sends while clocks go back, one after the other and so for a
// time at odds with each other, and on again.
func timestampsGrow(c *cluster) {
	if len(c.Clocks) == 0 {
		return
	}
	room := c.newRoom()
	recorders := c.joinEach(room)
	var stored []bw.Message
	var newest bw.Millis
	fill := func(when string) {
		c.Helper()
		for _, b := range c.Brokers {
			s := numbered(room, "ann", len(stored))
			a := send(c, b, s)
			if a.err != nil || a.Timestamp < newest {
				c.Fatalf("send %s: got %+v, want a timestamp not before %d", when, a, newest)
			}
			newest = a.Timestamp
			stored = append(stored, messageOf(s, a.Ack))
		}
	}
	fill("at first")
	first := newest
	for _, move := range c.Clocks {
		move(-time.Hour)
		fill("after a clock went back")
	}
	for range 2 {
		c.moveClocks(time.Hour)
		fill("after the clocks went on")
	}
	if hour := bw.Millis(time.Hour.Milliseconds()); newest < first+hour {
		c.Fatalf("timestamp an hour after %d: got %d, want at least %d", first, newest, first+hour)
	}
	for _, r := range recorders {
		c.wantMessages("delivered", r.upTo(c.T, bw.Seq(len(stored))), stored)
	}
	c.wantMessages("log", c.log(room), stored)
}
