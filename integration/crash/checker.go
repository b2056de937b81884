package crash

import (
	"fmt"
	"maps"
	"slices"
)

// check holds a history against the promises and returns what it breaks:
//
//   - every send was acked, and its message is stored exactly once, as it was
//     sent, at the place that each of its acks names;
//   - a send was stored by one ack at most: all others say duplicate;
//   - a room's stored seqs are 1, 2, 3 … in the epoch that it began with, and
//     its timestamps never go backwards;
//   - every client received exactly what is stored from where it joined, in
//     the same order, each once: so a seq has one message for all.
func check(h history) []string {
	c := &checker{history: h, sends: map[sendKey]send{}, places: map[sendKey]int64{}}
	c.collectSends()
	for _, room := range slices.Sorted(maps.Keys(h.stored)) {
		c.checkStored(room)
	}
	for _, r := range h.records {
		c.checkAcks(r)
		for _, s := range r.streams {
			c.checkStream(r.user, s)
		}
		for _, complaint := range r.complaints {
			c.report("%s complains: %s", r.user, complaint)
		}
	}
	return c.broken
}

// sendKey is what makes a send one of its kind.
type sendKey struct {
	room     int64
	user, id string
}

type checker struct {
	history
	sends map[sendKey]send
	// places are the seqs at which sends are stored.
	places map[sendKey]int64
	broken []string
}

func (c *checker) report(format string, args ...any) {
	c.broken = append(c.broken, fmt.Sprintf(format, args...))
}

func (c *checker) collectSends() {
	for _, r := range c.records {
		for _, s := range r.sends {
			c.sends[sendKey{s.room, r.user, s.id}] = s
		}
	}
}

func (c *checker) checkStored(room int64) {
	var before message
	for i, m := range c.stored[room] {
		want := int64(i) + 1
		switch {
		case m.Seq <= before.Seq:
			c.report("room %d: stored seq %d comes after %d", room, m.Seq, before.Seq)
		case m.Seq != want:
			c.report("room %d: stored seq %d stands where %d should: a hole", room, m.Seq, want)
		}
		if m.Room != room || m.Epoch != c.epochs[room] {
			c.report("room %d: seq %d is stored under room %d and epoch %d, want epoch %d", room, m.Seq, m.Room, m.Epoch, c.epochs[room])
		}
		if m.Timestamp < before.Timestamp {
			c.report("room %d: the timestamp of seq %d goes backwards", room, m.Seq)
		}
		c.checkOrigin(room, m)
		before = m
	}
}

// checkOrigin asks who sent a stored message, and whether it is stored twice.
func (c *checker) checkOrigin(room int64, m message) {
	key := sendKey{room, m.User, m.ID}
	s, ok := c.sends[key]
	switch {
	case !ok:
		c.report("room %d: nobody sent seq %d (%s by %s)", room, m.Seq, m.ID, m.User)
	case s.text != m.Text:
		c.report("room %d: seq %d has the text %q, sent was %q", room, m.Seq, m.Text, s.text)
	}
	if earlier, twice := c.places[key]; twice {
		c.report("room %d: %s by %s is stored twice, as seq %d and %d", room, m.ID, m.User, earlier, m.Seq)
		return
	}
	c.places[key] = m.Seq
}

func (c *checker) checkAcks(r record) {
	acked, original := map[sendKey]bool{}, map[sendKey]bool{}
	for _, a := range r.acks {
		key := sendKey{a.room, r.user, a.id}
		if _, ok := c.sends[key]; !ok {
			c.report("%s got an ack for %s in room %d, which it never sent", r.user, a.id, a.room)
			continue
		}
		acked[key] = true
		if !a.duplicate && original[key] {
			c.report("%s got two acks for %s in room %d of which neither says duplicate", r.user, a.id, a.room)
		}
		original[key] = original[key] || !a.duplicate
		c.checkAck(r.user, a, key)
	}
	for _, s := range r.sends {
		if !acked[sendKey{s.room, r.user, s.id}] {
			c.report("%s never got an ack for %s in room %d", r.user, s.id, s.room)
		}
	}
}

// checkAck asks whether the message is where its ack says.
func (c *checker) checkAck(user string, a ack, key sendKey) {
	m, ok := at(c.stored[a.room], a.seq)
	switch place, stored := c.places[key]; {
	case !stored:
		c.report("lost: %s by %s was acked as seq %d of room %d and is not stored", a.id, user, a.seq, a.room)
	case place != a.seq:
		c.report("%s by %s was acked as seq %d of room %d and is stored as %d", a.id, user, a.seq, a.room, place)
	case ok && (m.Epoch != a.epoch || m.Timestamp != a.timestamp):
		c.report("%s by %s was acked with epoch %d and timestamp %d, stored are %d and %d", a.id, user, a.epoch, a.timestamp, m.Epoch, m.Timestamp)
	}
}

func (c *checker) checkStream(user string, s stream) {
	next := s.since + 1
	for _, got := range s.messages {
		switch stored, ok := at(c.stored[s.room], got.Seq); {
		case got.Seq < next:
			c.report("%s received seq %d of room %d again or too late, after %d", user, got.Seq, s.room, next-1)
			continue
		case got.Seq > next:
			c.report("%s received seq %d of room %d after %d: a hole", user, got.Seq, s.room, next-1)
		case !ok:
			c.report("%s received seq %d of room %d, which is not stored", user, got.Seq, s.room)
		case got != stored:
			c.report("seq %d of room %d is used twice: %s received %+v, stored is %+v", got.Seq, s.room, user, got, stored)
		}
		next = got.Seq + 1
	}
	if newest := c.stored[s.room]; len(newest) > 0 && next <= newest[len(newest)-1].Seq {
		c.report("%s received room %d up to seq %d only, stored are messages up to %d", user, s.room, next-1, newest[len(newest)-1].Seq)
	}
}

// at finds a stored message by its seq.
func at(stored []message, seq int64) (message, bool) {
	i := seq - 1 // where it stands unless the log has holes
	if i >= 0 && i < int64(len(stored)) && stored[i].Seq == seq {
		return stored[i], true
	}
	for _, m := range stored {
		if m.Seq == seq {
			return m, true
		}
	}
	return message{}, false
}
