package membroker

import (
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// sequencer is the goroutine that gives seqs, with the memory it reuses from
// batch to batch. Nothing else touches its fields.
type sequencer struct {
	b      *Broker
	recent *recent
	// now is the clock at the beginning of the batch, since the oldest
	// timestamp within the dedupe window.
	now, since bw.Millis

	entries []entry
	// rooms are held for the batch; unknown are those among them whose head has
	// to be read first.
	rooms, unknown []*room
	// messages are the new ones of the batch, room by room.
	messages []bw.Message
	// doubts are the rooms to ask the log about after a failure; each is held.
	doubts []*room
}

// entry is a request on its way through a batch.
type entry struct {
	request
	room *room
	hash uint64
	fate fate
	// ack and err answer the request, unless the commit fails.
	ack broker.Ack
	err error
	// next is the next new message of the same room; -1 after the last.
	next int
}

// fate is what a batch has found out about a send.
type fate uint8

const (
	// fresh is a new message.
	fresh fate = iota
	// echo repeats, or contradicts, a fresh one of the same batch: it shares its luck.
	echo
	// known is in the log already.
	known
)

func newSequencer(b *Broker) *sequencer {
	return &sequencer{b: b, recent: newRecent(b.cfg.RecentBytes, b.started)}
}

// run works until the queue is closed and empty.
func (s *sequencer) run() {
	sends := s.b.sends
	var spare []request
	for {
		requests, open := sends.take(spare)
		if len(requests) == 0 {
			if !open {
				return
			}
			s.wait()
			continue
		}
		for rest := requests; len(rest) > 0; {
			n := s.b.cfg.batchLength(rest)
			s.work(rest[:n])
			rest = rest[n:]
		}
		spare = spareOf(requests)
	}
}

// wait returns when there may be something to take. While rooms are in doubt it
// settles them now and then: their subscribers may be owed messages, and a
// server that is not ready gets no sends that would do it.
func (s *sequencer) wait() {
	var retry <-chan time.Time
	if len(s.doubts) > 0 {
		retry = time.After(s.b.cfg.SettleEvery)
	}
	select {
	case <-s.b.sends.wake:
	case <-retry:
		s.busy(func() { s.report(s.settle()) })
	}
}

// batchLength is the number of requests that make one batch, at least one.
func (c *Config) batchLength(requests []request) int {
	bytes := 0
	for i := range requests {
		bytes += requests[i].cost()
		if i == c.BatchMessages || (i > 0 && bytes > c.BatchBytes) {
			return i
		}
	}
	return len(requests)
}

// work takes a batch through all its steps. Every request is answered when it returns.
func (s *sequencer) work(requests []request) {
	s.begin(requests)
	s.busy(func() {
		if err := s.prepare(); err != nil {
			s.doubtOne()
			s.report(err)
			s.refuse()
			return
		}
		err := s.commit()
		s.report(err)
		if err != nil {
			s.answer(err)
			return
		}
		// What has been acked can be read; a receiver gets the ack before the
		// message and writes both with one system call.
		s.advance()
		s.answer(nil)
		s.deliver()
	})
	s.finish()
}

// begin makes entries of the requests and holds their rooms.
func (s *sequencer) begin(requests []request) {
	now := s.b.cfg.Now()
	s.recent.rotate(now)
	s.now = bw.MillisOf(now)
	s.since = s.now - bw.Millis(bw.DedupeWindow.Milliseconds())

	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	for _, request := range requests {
		r := s.b.rooms[request.Room]
		if r == nil || !r.inBatch {
			r = s.b.hold(request.Room)
			r.inBatch, r.firstIn, r.fresh = true, -1, 0
			s.rooms = append(s.rooms, r)
			if !r.known {
				s.unknown = append(s.unknown, r)
			}
		}
		s.entries = append(s.entries, entry{request: request, room: r})
	}
}

// prepare decides about every entry. After an error nothing has been decided.
func (s *sequencer) prepare() error {
	if err := s.settle(); err != nil {
		return err
	}
	for _, r := range s.unknown {
		if err := s.load(r); err != nil {
			return err
		}
	}
	for _, r := range s.rooms {
		// Only this goroutine changes head and last of a known room, so it may
		// read them without the lock.
		r.nextSeq = r.head.Seq + 1
	}
	for i := range s.entries {
		if err := s.decide(i); err != nil {
			return err
		}
	}
	return nil
}

func (s *sequencer) load(r *room) error {
	ctx, cancel := s.b.context()
	defer cancel()
	return s.b.load(ctx, r)
}

// finish lets the rooms go and forgets the batch.
func (s *sequencer) finish() {
	s.b.mu.Lock()
	for _, r := range s.rooms {
		r.inBatch = false
		s.b.release(r)
	}
	s.b.mu.Unlock()
	s.entries, s.messages = spareOf(s.entries), spareOf(s.messages)
	s.rooms, s.unknown = spareOf(s.rooms), spareOf(s.unknown)
}

// busy does a piece of work and shows for how long it has been going on.
func (s *sequencer) busy(work func()) {
	s.b.busySince.Store(s.b.age())
	defer s.b.busySince.Store(0)
	work()
}

// report keeps what the log's last word was, for Healthy, and logs the changes:
// one line an outage, not one a message.
func (s *sequencer) report(err error) {
	if err == nil && len(s.doubts) > 0 {
		return
	}
	failing := s.b.failure.Load() != nil
	switch {
	case err != nil:
		s.b.failure.Store(&err)
		if !failing {
			s.b.cfg.Logger.Error("message log fails: sends are refused", "error", err)
		}
	case failing:
		s.b.failure.Store(nil)
		s.b.cfg.Logger.Info("message log works again")
	}
}
