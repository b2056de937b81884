package ledger

import "github.com/breakwater-chat/breakwater/store"

// Departure is a presence that ended with its server's life.
type Departure struct {
	Presence
	// Users and Version are those of the room after the burial.
	Users   int
	Version int64
}

// Bury takes the leaves of orphans, in a ledger that was opened for them, and
// returns the presences that ended by it.
func (l *Ledger) Bury(orphans []Membership) []Departure {
	var ended []Departure
	for _, m := range orphans {
		if l.leave(m) {
			ended = append(ended, Departure{Presence: m.Presence})
		}
	}
	for i := range ended {
		room := l.rooms[ended[i].Room].now
		ended[i].Users, ended[i].Version = room.Users, room.Version
	}
	return ended
}

// Burial sums up a difference of leaves for the store's answer.
func (d Difference) Burial(more bool) store.Burial {
	b := store.Burial{Removed: len(d.Left), More: more}
	for _, c := range d.Counts {
		b.Rooms = append(b.Rooms, c.Room)
	}
	return b
}
