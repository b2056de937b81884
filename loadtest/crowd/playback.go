package crowd

import (
	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// playback takes the answer to a join.
func (c *Crowd) playback(i int, m *member, f *wire.ServerFrame) {
	s := m.seatIn(f.Room)
	if s == nil || s.joined {
		*c.meters.notices++
		return
	}
	s.joined = true
	switch before := s.at; {
	case f.Recovered:
		c.resume(m, s, f)
	default:
		if before.Epoch != 0 {
			c.meters.tally.Add(Reset, 1)
			m.excused = true
		}
		c.begin(s, f)
	}
	c.excuse(m)
	if s != &m.seats[0] {
		c.meters.tally.Add(Joined, 1)
		c.meters.join.Observe(c.swarm.Now() - s.asked)
		return
	}
	c.joined++
	c.swarm.Ready(i)
	if m.cutAt == 0 {
		c.meters.tally.Add(Joined, 1)
		c.meters.join.Observe(c.swarm.Now() - c.swarm.Began(i))
	} else {
		c.meters.tally.Add(Back, 1)
		c.meters.back.Observe(c.swarm.Now() - m.cutAt)
		m.cutAt = 0
	}
	c.rewrite(i)
}

// resume takes what a member has missed: it must follow what he has.
func (c *Crowd) resume(m *member, s *seat, f *wire.ServerFrame) {
	for k := range f.Messages {
		msg := &f.Messages[k]
		c.meters.tally.Add(Replayed, 1)
		again := c.step(s, msg.Position()) == stepDouble
		stamp, verdict := judge(c.cfg.Run, msg)
		switch {
		case verdict == damaged:
			c.meters.tally.Add(Damaged, 1)
		case verdict == genuine && !again:
			c.own(m, &stamp, msg.Position())
		}
	}
	if end := (bw.Position{Epoch: f.Epoch, Seq: f.Seq}); s.at != end {
		c.meters.tally.Add(Lost, s.short(end))
		s.at = end
	}
}

// begin takes the newest messages of a room, which must follow each other.
func (c *Crowd) begin(s *seat, f *wire.ServerFrame) {
	for k := range f.Messages {
		msg := &f.Messages[k]
		if k == 0 {
			s.reset(bw.Position{Epoch: msg.Epoch, Seq: msg.Seq - 1})
		}
		c.step(s, msg.Position())
		if _, verdict := judge(c.cfg.Run, msg); verdict == damaged {
			c.meters.tally.Add(Damaged, 1)
		}
	}
	// The history may lag behind the log: then the playback ends early and says so.
	s.reset(bw.Position{Epoch: f.Epoch, Seq: f.Seq})
}
