package membroker

import (
	"fmt"

	bw "github.com/breakwater-chat/breakwater"
)

// settlePage is how many messages are read at a time from a room in doubt.
const settlePage = 512

// doubt remembers that the heads of the rooms that a failed commit wrote to are
// not certain.
func (s *sequencer) doubt() {
	for _, r := range s.rooms {
		if r.firstIn >= 0 {
			s.hold(r)
		}
	}
}

// doubtOne has settle ask the log again, after a failure that left nothing to
// settle: only so does the broker learn that the log works again.
func (s *sequencer) doubtOne() {
	if len(s.doubts) == 0 && len(s.rooms) > 0 {
		s.hold(s.rooms[0])
	}
}

func (s *sequencer) hold(r *room) {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.doubts = append(s.doubts, s.b.hold(r.id))
}

// settle asks the log what became of failed commits and delivers what was
// stored after all. Until that has succeeded no further batch is begun, so
// there are never more doubts than one batch has rooms.
func (s *sequencer) settle() error {
	for len(s.doubts) > 0 {
		r := s.doubts[len(s.doubts)-1]
		if err := s.catchUp(r); err != nil {
			return err
		}
		s.doubts = s.doubts[:len(s.doubts)-1]
		s.b.letGo(r)
	}
	return nil
}

// catchUp brings a room's published head up to the log's.
func (s *sequencer) catchUp(r *room) error {
	if err := s.load(r); err != nil {
		return err
	}
	ctx, cancel := s.b.context()
	defer cancel()
	pos, last, err := s.b.log.Head(ctx, r.id)
	switch {
	case err != nil:
		return fmt.Errorf("read the head of room %d after a failed commit: %w", r.id, err)
	case pos.Epoch != r.head.Epoch:
		s.b.skip(r, pos, last)
		return nil
	case pos.Seq < r.head.Seq:
		// To go on would give the seqs of acked messages a second time.
		return fmt.Errorf("the log of room %d went back from seq %d to %d", r.id, r.head.Seq, pos.Seq)
	}
	for r.head.Seq < pos.Seq {
		missed, err := s.b.log.ReadAfter(ctx, r.id, r.head.Seq, min(settlePage, int(pos.Seq-r.head.Seq)))
		if err != nil {
			return fmt.Errorf("read room %d after a failed commit: %w", r.id, err)
		}
		switch n := run(missed, r.head.Seq+1); {
		case n > 0:
			s.b.mu.Lock()
			s.b.advance(r, missed[:n])
			s.b.mu.Unlock()
			r.deliver(missed[:n])
		case len(missed) > 0:
			s.b.skip(r, bw.Position{Epoch: pos.Epoch, Seq: missed[0].Seq - 1}, r.last)
		default:
			s.b.skip(r, pos, last)
		}
	}
	return nil
}

// run is the number of messages at the beginning that have the seqs from first
// on without a hole.
func run(messages []bw.Message, first bw.Seq) int {
	for i := range messages {
		if messages[i].Seq != first+bw.Seq(i) {
			return i
		}
	}
	return len(messages)
}
