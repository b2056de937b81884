package brokertest

import (
	"fmt"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// ledger keeps what a broker owes to whom while sends, subscriptions and the
// close race.
type ledger struct {
	*cluster
	unanswered sync.WaitGroup

	mu      sync.Mutex // guards the rest
	answers map[broker.Send][]answer
	// accepted are the sends whose Send has returned, with the broker's number.
	accepted map[broker.Send]int
	// receivers are the recorders at each broker; at a closed one they must not
	// be called any more.
	receivers [][]*recorder
	closed    []bool
}

// begin sends to broker i without waiting for the answer.
func (l *ledger) begin(i int, s broker.Send) {
	l.unanswered.Add(1)
	l.Brokers[i].Send(s, func(a broker.Ack, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.answers[s] = append(l.answers[s], answer{a, err}); len(l.answers[s]) == 1 {
			l.unanswered.Done()
		}
		if err != nil && bw.KindOf(err) != bw.Unavailable || a.Duplicate {
			l.Errorf("send %q while closing: got %+v, %v, want an ack of a new message or %s", s.ID, a, err, bw.Unavailable)
		}
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepted[s] = i
}

// add notes a recorder that has been subscribed at broker i.
func (l *ledger) add(i int, r *recorder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.receivers[i] = append(l.receivers[i], r)
	if l.closed[i] {
		r.end()
	}
}

// close closes broker i from two sides. When either returns, what the broker had
// accepted before is answered and it calls nobody any more.
func (l *ledger) close(i int) {
	l.mu.Lock()
	var owed []broker.Send
	for s, by := range l.accepted {
		if by == i {
			owed = append(owed, s)
		}
	}
	l.mu.Unlock()
	var closers sync.WaitGroup
	for range 2 {
		closers.Go(func() {
			if err := l.Brokers[i].Close(); err != nil {
				l.Errorf("close broker %d: %v", i, err)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.closed[i] = true
			for _, r := range l.receivers[i] {
				r.end()
			}
			for _, s := range owed {
				if len(l.answers[s]) == 0 {
					l.Errorf("send %q: accepted before Close and not answered when it returned", s.ID)
				}
			}
		})
	}
	closers.Wait()
}

func closeAnswers(c *cluster) {
	const senders, each, joins = 4, 250, 60
	room := c.newRoom()
	l := &ledger{
		cluster: c, answers: map[broker.Send][]answer{}, accepted: map[broker.Send]int{},
		receivers: make([][]*recorder, len(c.Brokers)), closed: make([]bool, len(c.Brokers)),
	}
	for i, r := range c.joinEach(room) {
		l.add(i, r)
	}
	reached := make(chan struct{}, senders)
	var racing sync.WaitGroup
	for u := range senders {
		user := bw.Name([]string{"ann", "bob", "cyd", "dee"}[u])
		racing.Go(func() {
			for i := range each {
				if i == each/3 {
					reached <- struct{}{}
				}
				l.begin((u+i)%len(c.Brokers), numbered(room, user, i))
			}
		})
	}
	racing.Go(func() {
		for i := range joins {
			r := newRecorder()
			s, pos, err := c.at(i).Subscribe(c.Context(), room, r)
			if err != nil {
				if bw.KindOf(err) != bw.Unavailable {
					c.Errorf("subscribe while closing: got %v, want a subscription or %s", err, bw.Unavailable)
				}
				continue
			}
			r.subscription, r.start = s, pos
			if l.add(i%len(c.Brokers), r); i%3 == 0 {
				r.leave()
			}
		}
	})
	racing.Go(func() {
		for i := range senders * each {
			c.at(i).Notify(broker.Notice{Room: room, Users: i})
		}
	})
	<-reached
	for i := range c.Brokers {
		l.close(i)
	}
	racing.Wait()
	l.waitForAnswers()
	for i, b := range c.Brokers {
		if a := send(c, b, numbered(room, "eve", i)); bw.KindOf(a.err) != bw.Unavailable {
			c.Fatalf("send after close: got %+v, want %s", a, bw.Unavailable)
		}
		if err := b.Healthy(c.context()); bw.KindOf(err) != bw.Unavailable {
			c.Fatalf("health after close: got %v, want %s", err, bw.Unavailable)
		}
	}
	l.check(room)
}

// waitForAnswers waits until every send has one.
func (l *ledger) waitForAnswers() {
	l.Helper()
	all := make(chan struct{})
	go func() {
		l.unanswered.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-time.After(patience):
		l.mu.Lock()
		defer l.mu.Unlock()
		l.Fatalf("%v after the close: got answers to %d sends, want %d", patience, len(l.answers), len(l.accepted))
	}
}

// check compares the answers and the deliveries with the log.
func (l *ledger) check(room bw.RoomID) {
	l.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	log, refused, sends := l.log(room), 0, len(l.answers)
	for s, answers := range l.answers {
		if len(answers) != 1 {
			l.Fatalf("send %q: got answers %+v, want one", s.ID, answers)
		}
		a := answers[0]
		if a.err != nil {
			refused++
		} else if a.Seq < 1 || int(a.Seq) > len(log) || log[a.Seq-1] != messageOf(s, a.Ack) {
			l.Fatalf("send %q was acked as %+v: it is not there in the log of %d messages", s.ID, a.Ack, len(log))
		}
	}
	stored := map[bw.MessageID]bool{}
	for _, m := range log {
		if stored[m.ID] {
			l.Fatalf("log: %q is there twice", m.ID)
		}
		stored[m.ID] = true
	}
	// What was refused may have been stored.
	if acked := sends - refused; len(log) < acked || len(log) > sends {
		l.Fatalf("log: got %d messages, want %d acked ones and at most %d more", len(log), acked, refused)
	}
	for i, all := range l.receivers {
		for _, r := range all {
			r.check(l.T)
			from := int(r.start.Seq)
			l.wantMessages(fmt.Sprintf("delivered by broker %d", i), r.messages, log[from:from+len(r.messages)])
		}
	}
}

// closeOne closes one broker after the other; who is left does all the work.
func closeOne(c *cluster) {
	room := c.newRoom()
	recorders := c.joinEach(room)
	sent := 0
	for i := range c.Brokers {
		for j, r := range recorders[i:] {
			sent++
			if a := send(c, c.Brokers[i+j], numbered(room, "ann", sent)); a.err != nil {
				c.Fatalf("send to broker %d after %d others were closed: %v", i+j, i, a.err)
			}
			r.upTo(c.T, bw.Seq(sent))
		}
		if err := c.Brokers[i].Close(); err != nil {
			c.Fatalf("close broker %d: %v", i, err)
		}
		recorders[i].end()
	}
	for _, r := range recorders {
		r.check(c.T)
	}
	if got := len(c.log(room)); got != sent {
		c.Fatalf("log: got %d messages, want %d", got, sent)
	}
}
