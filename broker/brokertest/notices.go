package brokertest

import (
	"reflect"
	"slices"
	"testing"
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

// announcements come to all who are in their rooms. A receiver that has no room for
// one may miss it, and has it when it is told again, as it is until nobody misses any;
// a broker that is closed says that it cannot tell.
func announcements(c *cluster) {
	const count = 550 // with those of the other room, more than goes anywhere at once
	rooms := map[bw.RoomID][]*recorder{c.newRoom(): nil, c.newRoom(): nil}
	var all []broker.Notice
	for room := range rooms {
		rooms[room] = c.joinEach(room)
		for i := range count {
			all = append(all, broker.Notice{ID: int64(i + 1), Room: room, Left: []bw.Name{"ann"}, Users: i, PresenceVersion: int64(i)})
		}
	}
	began := time.Now()
	for missing := all; len(missing) > 0; {
		if time.Since(began) > 2*patience {
			c.Fatalf("%d of %d announcements have not come", len(missing), len(all))
		}
		if err := c.at(0).Announce(c.Context(), slices.Clone(missing)); err != nil {
			c.Fatalf("announce: got %v, want all on its way", err)
		}
		missing = nil
		for room, inside := range rooms {
			for _, r := range inside {
				missing = append(missing, r.misses(c.T, slices.DeleteFunc(slices.Clone(all), func(n broker.Notice) bool { return n.Room != room }))...)
			}
		}
	}
	last := c.at(len(c.Brokers) - 1)
	if err := last.Close(); err != nil {
		c.Fatalf("close: %v", err)
	}
	if err := last.Announce(c.Context(), all[:1]); bw.KindOf(err) != bw.Unavailable {
		c.Errorf("announce by a closed broker: got %v, want unavailable", err)
	}
}

// misses are those of some announcements that have not come, after a while in which
// nothing came; whatever else has come is a fault.
func (r *recorder) misses(t *testing.T, announced []broker.Notice) (missing []broker.Notice) {
	t.Helper()
	const calm = 300 * time.Millisecond
	heard := 0
	for r.becomes(calm, func() bool { return len(r.notices) > heard }) {
		r.mu.Lock()
		heard = len(r.notices)
		r.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	got := map[int64]broker.Notice{}
	for _, n := range r.notices {
		got[n.ID] = n
	}
	for _, n := range announced {
		switch came, ok := got[n.ID]; {
		case !ok:
			missing = append(missing, n)
		case !reflect.DeepEqual(came, n):
			t.Fatalf("got %+v, want %+v as it was announced", came, n)
		}
	}
	return missing
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
