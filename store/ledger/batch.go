package ledger

import (
	"math/bits"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// Batch is what a server wants written under a number.
type Batch struct {
	Incarnation bw.Incarnation
	Number      int64
	Changes     []store.Change
}

// Record is what a store keeps of an incarnation's last batch, the zero Record
// before the first.
type Record struct {
	Number int64
	// Changed has a bit for each change, and behind them a one.
	Changed []byte
}

// Memberships are those that the batch's changes are about, in their order.
func (b Batch) Memberships() []Membership {
	list := make([]Membership, len(b.Changes))
	for i, c := range b.Changes {
		list[i] = Membership{Presence{c.Room, c.User}, b.Incarnation, c.Connection}
	}
	return list
}

// Apply takes a batch, in a ledger that was opened for its memberships, and
// answers each change. It returns the Record to keep in last's place. If last is
// this batch's own, nothing changes and the answers are those of the first time;
// a batch before that is refused.
func (l *Ledger) Apply(b Batch, last Record) ([]store.Outcome, Record, error) {
	outcomes := make([]store.Outcome, len(b.Changes))
	switch {
	case b.Number < 1 || b.Number < last.Number:
		return nil, Record{}, bw.Errorf(bw.Internal, "a batch has the number %d after number %d", b.Number, last.Number)
	case b.Number == last.Number:
		if n := last.changes(); n != len(b.Changes) {
			return nil, Record{}, bw.Errorf(bw.Internal, "batch %d has %d changes, the first time it had %d", b.Number, len(b.Changes), n)
		}
		for i := range outcomes {
			outcomes[i].Changed = last.Changed[i/8]&(1<<(i%8)) != 0
		}
	default:
		last = Record{Number: b.Number, Changed: l.take(b, outcomes)}
	}
	for i, c := range b.Changes {
		room := l.rooms[c.Room].now
		outcomes[i].Users, outcomes[i].Version = room.Users, room.Version
	}
	return outcomes, last, nil
}

// take enters and leaves, and returns which changes mattered as a Record has it.
func (l *Ledger) take(b Batch, outcomes []store.Outcome) (changed []byte) {
	changed = make([]byte, len(outcomes)/8+1)
	for i, m := range b.Memberships() {
		if b.Changes[i].Leave {
			outcomes[i].Changed = l.leave(m)
		} else {
			outcomes[i].Changed = l.enter(m)
		}
		if outcomes[i].Changed {
			changed[i/8] |= 1 << (i % 8)
		}
	}
	changed[len(outcomes)/8] |= 1 << (len(outcomes) % 8)
	return changed
}

// changes is how many the batch had, -1 if the record was not written by take.
func (r Record) changes() int {
	if len(r.Changed) == 0 {
		return -1
	}
	last := len(r.Changed) - 1
	return 8*last + bits.Len8(r.Changed[last]) - 1
}
