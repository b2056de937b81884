package brokertest

import (
	"fmt"
	"slices"
	"sync"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// stream sends to a room, a few sends at a time, until stop is called, which
// gives the number of messages stored.
func (c *cluster) stream(room bw.RoomID) (stop func() bw.Seq) {
	const window = 16
	var sender sync.WaitGroup
	quit, slots := make(chan struct{}), make(chan struct{}, window)
	var sent int
	sender.Go(func() {
		for {
			select {
			case <-quit:
				for range window {
					slots <- struct{}{}
				}
				return
			case slots <- struct{}{}:
			}
			s := numbered(room, "ann", sent)
			c.at(sent).Send(s, func(_ broker.Ack, err error) {
				if err != nil {
					c.Errorf("send %q: %v", s.ID, err)
				}
				<-slots
			})
			sent++
		}
	})
	return sync.OnceValue(func() bw.Seq {
		close(quit)
		sender.Wait()
		return bw.Seq(sent)
	})
}

func joinInMidStream(c *cluster) {
	const joiners = 40
	room := c.newRoom()
	first := c.join(c.at(0), room)
	stop := c.stream(room)
	defer stop()
	var recorders []*recorder
	for i := range joiners {
		r := c.join(c.at(i), room)
		recorders = append(recorders, r)
		// The next one joins when the stream has moved on.
		r.await(c.T, "delivery to a subscriber in mid-stream", func() bool { return len(r.messages) > 0 })
		if i%4 == 3 {
			recorders[i-1].leave()
		}
	}
	head := stop()
	want := first.upTo(c.T, head)
	for i, r := range recorders {
		if r.closed {
			r.check(c.T)
			continue
		}
		c.wantMessages(fmt.Sprintf("joiner %d", i), r.upTo(c.T, head), want[r.start.Seq:])
	}
}

// tailMeetsSubscription does what a server does for a join: subscribe, read the
// tail, and put both together by seq.
func tailMeetsSubscription(c *cluster) {
	const joins, limit = 40, 30
	room := c.newRoom()
	first := c.join(c.at(0), room)
	stop := c.stream(room)
	defer stop()
	first.await(c.T, "first delivery", func() bool { return len(first.messages) > 0 })
	type join struct {
		*recorder
		tail broker.Tail
	}
	var joined []join
	for i := range joins {
		r := c.join(c.at(i), room)
		joined = append(joined, join{r, c.tail(c.at(i), room, 0, limit)})
		r.await(c.T, "delivery to a subscriber in mid-stream", func() bool { return len(r.messages) > 0 })
	}
	head := stop()
	want := first.upTo(c.T, head)
	for i, j := range joined {
		if j.tail.Head.Seq < j.start.Seq {
			c.Fatalf("join %d: tail ends at seq %d, before the subscription's position %d", i, j.tail.Head.Seq, j.start.Seq)
		}
		got := slices.Clone(j.tail.Messages)
		for _, m := range j.upTo(c.T, head) {
			if m.Seq > j.tail.Head.Seq {
				got = append(got, m)
			}
		}
		from := max(0, int(j.tail.Head.Seq)-limit)
		c.wantMessages(fmt.Sprintf("join %d", i), got, want[from:])
	}
}

func unsubscribe(c *cluster) {
	room := c.newRoom()
	stays := c.join(c.at(0), room)
	leaves := c.join(c.at(1), room)
	stop := c.stream(room)
	defer stop()
	leaves.await(c.T, "first delivery", func() bool { return len(leaves.messages) > 0 })
	leaves.leave()
	left := len(stays.upTo(c.T, 1))
	stays.await(c.T, "further deliveries to who stays", func() bool { return len(stays.messages) > left+20 })
	stays.upTo(c.T, stop())
	leaves.check(c.T)
	leaves.subscription.Close()

	back := c.join(c.at(1), room)
	head := stop()
	if back.start.Seq != head {
		c.Fatalf("position of who comes back: got seq %d, want %d", back.start.Seq, head)
	}
	a := send(c, c.at(0), numbered(room, "bob", 0))
	back.upTo(c.T, a.Seq)
	leaves.check(c.T)
}
