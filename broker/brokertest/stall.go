package brokertest

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// fullQueue sends to a log that stands still until a send is refused. When the
// log goes on, whoever repeats what was refused gets everything stored once.
func fullQueue(c *cluster) {
	if c.StallLog == nil {
		return
	}
	const most = 20_000 // sends of 4 KiB, far more than may wait
	room := c.newRoom()
	r := c.join(c.at(0), room)
	resume := sync.OnceFunc(c.StallLog())
	c.Cleanup(resume)

	text := strings.Repeat("x", 4096)
	var answers []<-chan answer
	var refused atomic.Bool
	full := make(chan struct{})
	go func() {
		defer close(full)
		for i := 0; i < most && !refused.Load(); i++ {
			s := numbered(room, "ann", i)
			s.Text = text
			answered := make(chan answer, 2)
			answers = append(answers, answered)
			c.at(0).Send(s, func(a broker.Ack, err error) {
				if err != nil {
					refused.Store(true)
				}
				answered <- answer{a, err}
			})
		}
	}()
	select {
	case <-full:
	case <-time.After(patience):
		c.Fatalf("sends while the log stands still: blocked for %v", patience)
	}
	if !refused.Load() {
		c.Fatalf("%d sends of 4 KiB wait: the queue has no bound", most)
	}
	if err := c.at(0).Healthy(context.Background()); bw.KindOf(err) != bw.Unavailable {
		c.Fatalf("health with a full queue: got %v, want %s", err, bw.Unavailable)
	}
	resume()

	for i, answered := range answers {
		s := numbered(room, "ann", i)
		s.Text = text
		first := wait(c, s, answered)
		if first.err != nil {
			if bw.KindOf(first.err) != bw.Unavailable {
				c.Fatalf("send %q: got %v, want an ack or %s", s.ID, first.err, bw.Unavailable)
			}
			c.untilAcked(s)
		}
		if len(answered) > 0 {
			c.Fatalf("send %q: answered twice, %+v and %+v", s.ID, first, <-answered)
		}
	}
	if err := c.at(0).Healthy(context.Background()); err != nil {
		c.Fatalf("health after everything was stored: got %v, want none", err)
	}
	log := c.log(room)
	c.wantMessages("delivered", r.upTo(c.T, bw.Seq(len(answers))), log)
	stored := map[bw.MessageID]int{}
	for _, m := range log {
		stored[m.ID]++
	}
	if len(stored) != len(answers) || len(log) != len(answers) {
		c.Fatalf("log: got %d messages of %d sends, want each of %d once", len(log), len(stored), len(answers))
	}
}

// untilAcked repeats a send as a client does.
func (c *cluster) untilAcked(s broker.Send) {
	c.Helper()
	const pause = 20 * time.Millisecond
	for range patience / pause {
		a := send(c, c.at(0), s)
		if a.err == nil {
			return
		}
		<-time.After(pause)
	}
	c.Fatalf("send %q: not acked within %v after the log went on", s.ID, patience)
}
