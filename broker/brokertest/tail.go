package brokertest

import (
	"fmt"

	bw "github.com/breakwater-chat/breakwater"
)

func tailEdges(c *cluster) {
	const total = 20
	room := c.newRoom()
	r := c.join(c.at(0), room)
	stored := c.fill(room, total)
	// Every broker knows the head when its subscriber does.
	r.upTo(c.T, total)
	for i := range c.Brokers {
		c.join(c.at(i), room).upTo(c.T, total)
	}
	for _, test := range []struct {
		after    bw.Seq
		limit    int
		first    bw.Seq // 0: no messages
		complete bool
	}{
		{after: 0, limit: 0},
		{after: 0, limit: 1, first: total},
		{after: 0, limit: total - 1, first: 2},
		{after: 0, limit: total, first: 1, complete: true},
		{after: 0, limit: 500, first: 1, complete: true},
		{after: 5, limit: total - 6, first: 7},
		{after: 5, limit: total - 5, first: 6, complete: true},
		{after: 5, limit: 500, first: 6, complete: true},
		{after: total - 1, limit: 0},
		{after: total - 1, limit: 1, first: total, complete: true},
		{after: total, limit: 0, complete: true},
		{after: total, limit: 50, complete: true},
		{after: total + 7, limit: 50, complete: true},
	} {
		for i := range c.Brokers {
			what := fmt.Sprintf("tail after %d, limit %d, broker %d", test.after, test.limit, i)
			var want []bw.Message
			if test.first > 0 {
				want = stored[test.first-1:]
			}
			got := c.tail(c.at(i), room, test.after, test.limit)
			c.wantMessages(what, got.Messages, want)
			if got.Head != stored[total-1].Position() || got.Complete != test.complete {
				c.Fatalf("%s: got head %+v, complete %v, want %+v, %v",
					what, got.Head, got.Complete, stored[total-1].Position(), test.complete)
			}
		}
	}
}

func tailWithoutSubscribers(c *cluster) {
	const total = 30
	room := c.newRoom()
	stored := c.fill(room, total/2)
	recorders := c.joinEach(room)
	recorders[0].upTo(c.T, total/2)
	c.wantMessages("tail read by the first subscriber", c.tail(c.at(0), room, 0, 500).Messages, stored)

	for range total / 2 {
		s := numbered(room, "bob", len(stored))
		stored = append(stored, messageOf(s, send(c, c.at(0), s).Ack))
	}
	for _, r := range recorders {
		r.upTo(c.T, total)
	}
	// Half of it was stored before anybody was there and half after.
	c.wantMessages("tail over both halves", c.tail(c.at(0), room, 5, 500).Messages, stored[5:])
	for _, r := range recorders {
		r.leave()
	}
	for i := range c.Brokers {
		c.wantMessages("tail after the last subscriber left", c.tail(c.at(i), room, 3, 500).Messages, stored[3:])
	}
}
