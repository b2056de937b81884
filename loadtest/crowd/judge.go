package crowd

import bw "github.com/breakwater-chat/breakwater"

// Heads are up to where the rooms were acked, as far as this process knows.
func (c *Crowd) Heads() map[bw.RoomID]bw.Position {
	heads := map[bw.RoomID]bw.Position{}
	for id, r := range c.rooms {
		if r.head.Epoch != 0 {
			heads[id] = r.head
		}
	}
	return heads
}

// MergeHeads enters into a what b has and is newer.
func MergeHeads(a, b map[bw.RoomID]bw.Position) {
	for id, head := range b {
		if later(head, a[id]) {
			a[id] = head
		}
	}
}

// Answered tells whether every send has its ack: the heads are final then.
func (c *Crowd) Answered() bool {
	for i := range c.members {
		for _, p := range c.members[i].outbox {
			if !p.done && p.ackedAt.Epoch == 0 {
				return false
			}
		}
	}
	return true
}

// Settled tells whether everybody has everything up to the heads, and every send its answer:
// nothing more will come then.
func (c *Crowd) Settled(heads map[bw.RoomID]bw.Position) bool {
	if c.joined < len(c.members) {
		return false
	}
	for i := range c.members {
		m := &c.members[i]
		for j := range m.seats {
			if s := &m.seats[j]; s.short(heads[s.room.id]) > 0 {
				return false
			}
		}
		for j := range m.outbox {
			if p := &m.outbox[j]; !p.done && (p.ackedAt.Epoch == 0 || later(p.ackedAt, m.seats[0].at)) {
				return false
			}
		}
	}
	return true
}

// Judge counts what is still missing at the end: messages up to the heads, own messages
// that were acked and are somewhere else than their sender was told, sends without an
// answer. Of members who are not in their rooms it says nothing.
func (c *Crowd) Judge(heads map[bw.RoomID]bw.Position) {
	for i := range c.members {
		m := &c.members[i]
		for j := range m.seats {
			c.meters.tally.Add(Lost, m.seats[j].short(heads[m.seats[j].room.id]))
		}
		for j := range m.outbox {
			switch p := &m.outbox[j]; {
			case p.done:
			case p.ackedAt.Epoch == 0:
				c.meters.tally.Add(Unanswered, 1)
			case p.seenAt.Epoch == 0 && !m.excused && m.seats[0].joined && !later(p.ackedAt, m.seats[0].at):
				c.meters.tally.Add(Lost, 1)
			}
		}
	}
}
