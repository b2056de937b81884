package brokertest

import (
	"reflect"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

func notices(c *cluster) {
	room, other := newRoom(), newRoom()
	var inside []*recorder
	for i := range 2 * len(c.brokers) {
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

func closeAnswers(c *cluster) {
	const sends = 500
	room := newRoom()
	r := c.join(c.at(0), room)
	var mu sync.Mutex
	answers := map[bw.MessageID]int{}
	var acked bw.Seq
	var answered sync.WaitGroup
	answered.Add(sends)
	var sender sync.WaitGroup
	half := make(chan struct{})
	sender.Go(func() {
		for i := range sends {
			if i == sends/2 {
				close(half)
			}
			s := numbered(room, "ann", i)
			c.at(i).Send(s, func(a broker.Ack, err error) {
				mu.Lock()
				defer mu.Unlock()
				if answers[s.ID]++; answers[s.ID] > 1 {
					c.Errorf("send %q: answered %d times", s.ID, answers[s.ID])
					return
				}
				if err != nil && bw.KindOf(err) != bw.Unavailable {
					c.Errorf("send %q while closing: got %v, want an ack or %s", s.ID, err, bw.Unavailable)
				}
				acked = max(acked, a.Seq)
				answered.Done()
			})
		}
	})
	<-half
	c.close()
	sender.Wait()
	answered.Wait()
	if a := send(c, c.at(0), numbered(room, "bob", 0)); bw.KindOf(a.err) != bw.Unavailable {
		c.Fatalf("send after close: got %+v, want %s", a, bw.Unavailable)
	}
	if err := c.at(0).Healthy(c.context()); bw.KindOf(err) != bw.Unavailable {
		c.Fatalf("health after close: got %v, want %s", err, bw.Unavailable)
	}
	r.check(c.T)
}
