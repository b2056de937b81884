package crowd

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// Frames that are counted and not read; type is the first key of what the server sends.
var (
	presenceFrame = []byte(`{"type":"presence",`)
	typingFrame   = []byte(`{"type":"typing",`)
)

// Text implements swarm.Handler.
func (c *Crowd) Text(i int, payload []byte) {
	m := &c.members[i]
	for j := range m.seats {
		if seen := m.seats[j].room.known(payload); seen != nil {
			c.delivered(m, &m.seats[j], seen)
			return
		}
	}
	if bytes.HasPrefix(payload, presenceFrame) || bytes.HasPrefix(payload, typingFrame) {
		*c.meters.notices++
		return
	}
	f, err := wire.ParseServerFrame(payload)
	if err != nil {
		c.meters.tally.Add(Damaged, 1)
		return
	}
	c.frame(i, m, &f, payload)
}

func (c *Crowd) frame(i int, m *member, f *wire.ServerFrame, payload []byte) {
	switch f.Type {
	case wire.TypeMessage:
		c.message(m, f, payload)
	case wire.TypeAck:
		c.acked(m, f)
	case wire.TypeJoined:
		c.playback(i, m, f)
	case wire.TypeGap:
		c.gap(m, f)
	case wire.TypeDrain:
		c.swarm.Drain(i, time.Duration(f.WithinMS)*time.Millisecond)
	case wire.TypeError:
		c.refused(i, m, f)
	case wire.TypeLeft:
		c.left(m, f.Room)
	default:
		*c.meters.notices++
	}
}

// message takes a live message whose bytes nobody here has seen.
func (c *Crowd) message(m *member, f *wire.ServerFrame, payload []byte) {
	s := m.seatIn(f.Room)
	if s == nil {
		c.meters.tally.Add(Damaged, 1)
		return
	}
	msg := f.Message()
	seen, differs := s.room.see(c.cfg.Run, payload, &msg)
	if differs && seen.verdict != damaged {
		c.meters.tally.Add(Disordered, 1)
	}
	c.delivered(m, s, seen)
}

// delivered holds a live message against what its receiver has got before.
func (c *Crowd) delivered(m *member, s *seat, seen *sighting) {
	*c.meters.received++
	if !s.joined {
		c.meters.tally.Add(Disordered, 1) // before its playback
		return
	}
	again := c.step(s, seen.at) == stepDouble
	switch {
	case seen.verdict == damaged:
		c.meters.tally.Add(Damaged, 1)
	case seen.verdict == genuine && !again:
		if seen.stamp.clock == c.cfg.ClockName {
			c.meters.deliver.Observe(c.swarm.Now() - seen.stamp.intended)
		}
		c.own(m, &seen.stamp, seen.at)
	}
}

// step takes a position and counts what is wrong with it.
func (c *Crowd) step(s *seat, to bw.Position) step {
	how, missing := s.advance(to)
	switch how {
	case stepHole:
		c.meters.tally.Add(Lost, missing)
	case stepLate:
		c.meters.tally.Add(Lost, -1)
		c.meters.tally.Add(Disordered, 1)
	case stepDouble:
		c.meters.tally.Add(Doubled, 1)
	}
	return how
}

// own takes what comes back to its sender.
func (c *Crowd) own(m *member, s *stamp, at bw.Position) {
	if s.sender != m.Number {
		return
	}
	p := m.outbox.find(s.number)
	switch {
	case p == nil, p.seenAt.Epoch != 0: // he has had it, in another place
		c.meters.tally.Add(Doubled, 1)
	default:
		p.seenAt = at
		c.agreed(m, p)
	}
}

func (c *Crowd) acked(m *member, f *wire.ServerFrame) {
	p := m.outbox.find(c.number(m, f.ID))
	if p == nil || p.ackedAt.Epoch != 0 {
		*c.meters.notices++ // the answer to one that was written twice
		return
	}
	p.ackedAt = bw.Position{Epoch: f.Epoch, Seq: f.Seq}
	*c.meters.acked++
	c.meters.ack.Observe(c.swarm.Now() - p.intended)
	if head := &p.room.head; later(p.ackedAt, *head) {
		*head = p.ackedAt
	}
	c.agreed(m, p)
}

// agreed ends a send that was both acked and seen, at the same place.
func (c *Crowd) agreed(m *member, p *pending) {
	if p.ackedAt.Epoch == 0 || p.seenAt.Epoch == 0 {
		return
	}
	if p.ackedAt != p.seenAt {
		c.meters.tally.Add(Disordered, 1)
	}
	c.settle(m, p)
}

func later(a, b bw.Position) bool { return a.Epoch > b.Epoch || a.Epoch == b.Epoch && a.Seq > b.Seq }

// number is that of the member's send with an id; 0 if it is none of his.
func (c *Crowd) number(m *member, id string) int {
	rest, ok := strings.CutPrefix(id, c.cfg.Run+"-"+strconv.Itoa(m.Number)+"-")
	if !ok {
		return 0
	}
	number, err := strconv.Atoi(rest)
	if err != nil {
		return 0
	}
	return number
}

func (c *Crowd) gap(m *member, f *wire.ServerFrame) {
	s := m.seatIn(f.Room)
	if s == nil || f.To < f.From {
		return
	}
	m.excused = true
	if f.Epoch == s.at.Epoch && f.From > s.at.Seq+1 {
		c.meters.tally.Add(Lost, int64(f.From-s.at.Seq-1))
	}
	c.meters.tally.Add(Gapped, int64(f.To-f.From+1))
	s.at = bw.Position{Epoch: f.Epoch, Seq: f.To}
	c.excuse(m)
}

// excuse ends sends that were acked and will not come back.
func (c *Crowd) excuse(m *member) {
	for j := 0; j < len(m.outbox); j++ {
		if p := &m.outbox[j]; !p.done && p.ackedAt.Epoch != 0 && !later(p.ackedAt, m.seats[0].at) {
			p.done = true
			c.pending--
		}
	}
	for len(m.outbox) > 0 && m.outbox[0].done {
		m.outbox = m.outbox[1:]
	}
}

// refused takes an error frame: what passes by itself is tried again under the same id.
func (c *Crowd) refused(i int, m *member, f *wire.ServerFrame) {
	c.meters.failed(string(f.Code))
	if f.ID == wire.TypeJoin {
		m.seats = m.seats[:1]
		return
	}
	p := m.outbox.find(c.number(m, f.ID))
	if p == nil || p.ackedAt.Epoch != 0 {
		return
	}
	if f.RetryAfterMS <= 0 {
		c.settle(m, p)
		return
	}
	number := p.number
	c.swarm.After(time.Duration(f.RetryAfterMS)*time.Millisecond, func() {
		p := m.outbox.find(number)
		if p != nil && p.ackedAt.Epoch == 0 && m.seats[0].joined {
			c.write(i, p)
		}
	})
}

func (c *Crowd) left(m *member, id bw.RoomID) {
	for j := 1; j < len(m.seats); j++ {
		if m.seats[j].room.id == id {
			m.seats = append(m.seats[:j], m.seats[j+1:]...)
			c.meters.tally.Add(Left, 1)
			return
		}
	}
}
