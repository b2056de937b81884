package crowd

import (
	"slices"
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

// seat is a member's place in a room: up to where he has got its messages.
type seat struct {
	room *room
	// at is the newest position; the zero value until the first playback.
	at bw.Position
	// asked is when he asked to join it: a further room than his first.
	asked time.Duration
	// joined is set while the connection is in the room.
	joined bool
	// leaving is set once he has asked to leave it.
	leaving bool
	// holes are what was stepped over without a word, in order.
	holes []hole
}

// hole is a run of seqs that were not delivered, both inclusive.
type hole struct{ from, to bw.Seq }

// maxHoles bounds what is remembered of a server that loses much.
const maxHoles = 1000

// step is what the next message says of the order.
type step int

const (
	stepNext   step = iota
	stepHole        // messages before it are missing
	stepLate        // it is one of those that were missing: out of order
	stepDouble      // it was there before
)

// advance takes a message's position. missing is how many seqs a stepHole has stepped over.
func (s *seat) advance(to bw.Position) (how step, missing int64) {
	switch {
	case to.Epoch != s.at.Epoch:
		// A new life of the room's log; what its end has cost was told by a gap.
		s.at = to
		return stepNext, 0
	case to.Seq == s.at.Seq+1:
		s.at.Seq = to.Seq
		return stepNext, 0
	case to.Seq > s.at.Seq:
		if len(s.holes) < maxHoles {
			s.holes = append(s.holes, hole{s.at.Seq + 1, to.Seq - 1})
		}
		missing = int64(to.Seq - s.at.Seq - 1)
		s.at.Seq = to.Seq
		return stepHole, missing
	case s.fill(to.Seq):
		return stepLate, 0
	default:
		return stepDouble, 0
	}
}

// fill takes a seq out of the holes, if it is in one.
func (s *seat) fill(seq bw.Seq) bool {
	for i, h := range s.holes {
		if seq < h.from || seq > h.to {
			continue
		}
		var left []hole
		if h.from < seq {
			left = append(left, hole{h.from, seq - 1})
		}
		if seq < h.to {
			left = append(left, hole{seq + 1, h.to})
		}
		s.holes = slices.Replace(s.holes, i, i+1, left...)
		return true
	}
	return false
}

// reset begins anew at a position that the server has told.
func (s *seat) reset(to bw.Position) { s.at, s.holes = to, nil }

// short is how many messages up to head the seat has not got.
func (s *seat) short(head bw.Position) int64 {
	if !s.joined || s.at.Epoch != head.Epoch {
		return 0
	}
	return max(0, int64(head.Seq-s.at.Seq))
}
