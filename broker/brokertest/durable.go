package brokertest

import (
	"context"
	"sync"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// witness is a receiver that looks into the log before it believes a delivery.
type witness struct {
	*recorder
	c *cluster
}

// Deliver implements broker.Receiver.
func (w *witness) Deliver(batch []bw.Message) {
	for _, m := range batch {
		w.c.wantDurable("delivery", m)
	}
	w.recorder.Deliver(batch)
}

// wantDurable looks for one message in the log.
func (c *cluster) wantDurable(when string, m bw.Message) {
	got, err := c.ReadLog(context.Background(), m.Room, m.Seq-1, 1)
	if err != nil || len(got) != 1 || got[0] != m {
		c.Errorf("at the %s of %+v: the log has %+v, %v there", when, m, got, err)
	}
}

// durableFirst looks into the log at every ack and every delivery.
func durableFirst(c *cluster) {
	const senders, each = 3, 60
	room := c.newRoom()
	var witnesses []*witness
	for _, b := range c.Brokers {
		w := &witness{newRecorder(), c}
		s, pos, err := b.Subscribe(c.context(), room, w)
		if err != nil {
			c.Fatalf("subscribe: %v", err)
		}
		c.Cleanup(s.Close)
		w.start = pos
		witnesses = append(witnesses, w)
	}
	var sending sync.WaitGroup
	for u, user := range []bw.Name{"ann", "bob", "cyd"}[:senders] {
		sending.Go(func() {
			for i := range each {
				s := numbered(room, user, i)
				answered := make(chan struct{})
				c.at(u+i).Send(s, func(a broker.Ack, err error) {
					defer close(answered)
					if err != nil {
						c.Errorf("send %q: %v", s.ID, err)
						return
					}
					c.wantDurable("ack", messageOf(s, a))
				})
				<-answered
			}
		})
	}
	sending.Wait()
	for _, w := range witnesses {
		w.upTo(c.T, senders*each)
	}
}
