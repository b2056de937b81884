package brokertest

import (
	"reflect"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

func notices(c *cluster) {
	room, other := c.newRoom(), c.newRoom()
	var inside []*recorder
	for i := range 2 * len(c.Brokers) {
		inside = append(inside, c.join(c.at(i), room))
	}
	outside := c.join(c.at(0), other)
	for i, n := range []broker.Notice{
		{Room: room, Typing: "ann"},
		{Room: room, Joined: []bw.Name{"ann", "bob"}, Left: []bw.Name{"cyd"}, Users: 7, PresenceVersion: 3},
	} {
		for j, r := range inside {
			c.notify(c.at(i+j), r, n)
		}
	}
	// What reaches the other room after a notice of its own would have come before.
	c.notify(c.at(0), outside, broker.Notice{Room: other, Typing: "dee"})
	outside.check(c.T)
	for _, n := range outside.notices {
		if n.Room != other {
			c.Fatalf("room %d was told a notice of room %d", other, n.Room)
		}
	}
	if head := c.tail(c.at(0), room, 0, 0).Head.Seq; head != 0 {
		c.Fatalf("head after notices: got seq %d, want 0", head)
	}
}

// notify tells a notice until it has come: notices are best effort.
func (c *cluster) notify(b broker.Broker, r *recorder, n broker.Notice) {
	c.Helper()
	const again = 500 * time.Millisecond
	for range patience / again {
		b.Notify(n)
		if r.becomes(again, func() bool {
			for _, got := range r.notices {
				if reflect.DeepEqual(got, n) {
					return true
				}
			}
			return false
		}) {
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c.Fatalf("notice %+v: did not come; got %+v", n, r.notices)
}

// oneCallAtATime has messages and notices come to the same receivers at once: a
// notice or two with every message of a stream.
func oneCallAtATime(c *cluster) {
	const rounds = 150
	room := c.newRoom()
	inside := append(c.joinEach(room), c.joinEach(room)...)
	stop := c.stream(room)
	defer stop()
	for i := range rounds {
		for _, b := range c.Brokers {
			b.Notify(broker.Notice{Room: room, Users: i})
		}
		inside[0].await(c.T, "deliveries among notices", func() bool { return len(inside[0].messages) > i })
	}
	head := stop()
	for _, r := range inside {
		r.upTo(c.T, head)
		r.await(c.T, "a notice among deliveries", func() bool { return len(r.notices) > 0 })
	}
}
