package membroker

import (
	"fmt"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// decide finds out whether an entry is new, and gives it its place if so.
func (s *sequencer) decide(i int) error {
	e := &s.entries[i]
	e.hash = s.recent.hash(sendKey{e.Room, e.User, e.ID})
	if s.recent.add(e.hash) {
		if first := s.firstOf(i); first >= 0 {
			f := &s.entries[first]
			e.fate = echo
			e.repeats(f.Text, f.ack)
			return nil
		}
	} else if s.now >= e.room.askUntil {
		s.place(i)
		return nil
	}
	before, found, err := s.find(e)
	switch {
	case err != nil:
		return fmt.Errorf("look for an earlier send to room %d: %w", e.Room, err)
	case found:
		e.fate = known
		e.repeats(before.Text, broker.Ack{Position: before.Position(), Timestamp: before.Timestamp})
	default:
		s.place(i)
	}
	return nil
}

// firstOf finds the fresh entry before i that is the same send; -1 if there is none.
func (s *sequencer) firstOf(i int) int {
	e := &s.entries[i]
	for j := range s.entries[:i] {
		f := &s.entries[j]
		if f.hash == e.hash && f.fate == fresh && f.room == e.room && f.User == e.User && f.ID == e.ID {
			return j
		}
	}
	return -1
}

func (s *sequencer) find(e *entry) (bw.Message, bool, error) {
	s.b.metrics.lookups.Inc()
	ctx, cancel := s.b.context()
	defer cancel()
	return s.b.log.FindSend(ctx, e.Room, e.User, e.ID, s.since)
}

// repeats answers an entry whose id has been used before, for that text.
func (e *entry) repeats(text string, first broker.Ack) {
	if text != e.Text {
		e.err = bw.Errorf(bw.IDConflict, "this id has been used for another text")
		return
	}
	e.ack = first
	e.ack.Duplicate = true
}

// place gives an entry the next seq of its room.
func (s *sequencer) place(i int) {
	e, r := &s.entries[i], s.entries[i].room
	e.fate, e.next = fresh, -1
	e.ack = broker.Ack{Position: bw.Position{Epoch: r.head.Epoch, Seq: r.nextSeq}, Timestamp: max(r.last, s.now)}
	r.nextSeq++
	r.fresh++
	if r.firstIn < 0 {
		r.firstIn = i
	} else {
		s.entries[r.lastIn].next = i
	}
	r.lastIn = i
}

// commit stores the fresh entries, room by room.
func (s *sequencer) commit() error {
	for _, r := range s.rooms {
		for i := r.firstIn; i >= 0; i = s.entries[i].next {
			e := &s.entries[i]
			s.messages = append(s.messages, bw.Message{
				Room: e.Room, Epoch: e.ack.Epoch, Seq: e.ack.Seq,
				ID: e.ID, User: e.User, Text: e.Text, Timestamp: e.ack.Timestamp,
			})
		}
	}
	if len(s.messages) == 0 {
		return nil
	}
	s.b.metrics.batch.Observe(float64(len(s.messages)))
	ctx, cancel := s.b.context()
	defer cancel()
	start := time.Now()
	err := s.b.log.Commit(ctx, s.messages)
	s.b.metrics.commit.Observe(time.Since(start).Seconds())
	if err != nil {
		s.b.metrics.failures.Inc()
		s.doubt()
		return fmt.Errorf("commit %d messages: %w", len(s.messages), err)
	}
	return nil
}

// answer tells the senders how the batch ended.
func (s *sequencer) answer(commit error) {
	for i := range s.entries {
		e := &s.entries[i]
		switch {
		case commit != nil && e.fate != known:
			s.fail(e)
			continue
		case e.err != nil:
			s.b.metrics.refused.WithLabelValues(string(refusedIDConflict)).Inc()
		case e.ack.Duplicate:
			s.b.metrics.duplicates.Inc()
		}
		s.b.sends.release(e.cost())
		e.done(e.ack, e.err)
	}
}

// refuse answers a batch that came to nothing.
func (s *sequencer) refuse() {
	for i := range s.entries {
		s.fail(&s.entries[i])
	}
}

func (s *sequencer) fail(e *entry) {
	s.b.metrics.refused.WithLabelValues(string(refusedLog)).Inc()
	s.b.sends.release(e.cost())
	// The cause has been logged once for all.
	e.done(broker.Ack{}, s.b.unavailable(nil, "the message cannot be stored now"))
}

// advance makes what was committed the newest of its rooms.
func (s *sequencer) advance() {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.eachRoom(s.b.advance)
}

// deliver gives it to the receivers.
func (s *sequencer) deliver() {
	s.eachRoom((*room).deliver)
}

// eachRoom goes through the new messages room by room.
func (s *sequencer) eachRoom(do func(*room, []bw.Message)) {
	rest := s.messages
	for _, r := range s.rooms {
		if r.fresh > 0 {
			do(r, rest[:r.fresh:r.fresh])
			rest = rest[r.fresh:]
		}
	}
}
