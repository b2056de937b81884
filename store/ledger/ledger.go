// Package ledger decides what changes of memberships mean: by which of them a
// user's presence in a room begins or ends, and how many users the room has then.
// It is what all stores have in common, and knows no database.
//
// A store opens a ledger for the memberships that a batch touches, loads what its
// database has of them and of their presences and rooms, lets the ledger take the
// batch, and stores the difference: all in one transaction, in which nobody else
// changes those rooms. A Ledger belongs to one goroutine.
package ledger

import (
	"cmp"
	"maps"
	"slices"

	bw "github.com/breakwater-chat/breakwater"
)

// Presence is one user in one room.
type Presence struct {
	Room bw.RoomID
	User bw.UserID
}

// Membership is one connection in one room.
type Membership struct {
	Presence
	Incarnation bw.Incarnation
	Connection  bw.ConnectionID
}

// Occupancy is what the memberships of a presence amount to. It is zero but for
// the presence where there are none.
type Occupancy struct {
	Presence
	Connections int
	// JoinedAt is when the presence began.
	JoinedAt bw.Millis
}

// Count is what the presences of a room amount to.
type Count struct {
	Room  bw.RoomID
	Users int
	// Version is how many batches have changed the room.
	Version int64
}

// Ledger carries memberships from one state to the next.
type Ledger struct {
	// Now is the time at which presences begin: the database's.
	Now bw.Millis

	memberships map[Membership]*entry[bool]
	presences   map[Presence]*entry[Occupancy]
	rooms       map[bw.RoomID]*entry[Count]
}

// entry is what was loaded and what has become of it.
type entry[T any] struct{ before, now T }

// Open returns a ledger for these memberships, in which nothing is there yet.
func Open(touched []Membership) *Ledger {
	l := &Ledger{
		memberships: make(map[Membership]*entry[bool], len(touched)),
		presences:   make(map[Presence]*entry[Occupancy], len(touched)),
		rooms:       make(map[bw.RoomID]*entry[Count]),
	}
	for _, m := range touched {
		l.memberships[m] = &entry[bool]{}
		l.LoadOccupancy(Occupancy{Presence: m.Presence})
		l.LoadCount(Count{Room: m.Room})
	}
	return l
}

// Memberships are those that the ledger was opened for, each once, in order.
func (l *Ledger) Memberships() []Membership {
	return slices.SortedFunc(maps.Keys(l.memberships), compareMemberships)
}

// Presences are those of the memberships, each once, in order.
func (l *Ledger) Presences() []Presence {
	return slices.SortedFunc(maps.Keys(l.presences), comparePresences)
}

// Rooms are those of the memberships, each once, in order.
func (l *Ledger) Rooms() []bw.RoomID { return slices.Sorted(maps.Keys(l.rooms)) }

// LoadMembership says that the database has this one.
func (l *Ledger) LoadMembership(m Membership) {
	l.memberships[m] = &entry[bool]{before: true, now: true}
}

// LoadOccupancy says what the database has of a presence.
func (l *Ledger) LoadOccupancy(o Occupancy) {
	l.presences[o.Presence] = &entry[Occupancy]{before: o, now: o}
}

// LoadCount says what the database has of a room.
func (l *Ledger) LoadCount(c Count) { l.rooms[c.Room] = &entry[Count]{before: c, now: c} }

// enter takes a connection's join. It tells whether the presence began.
func (l *Ledger) enter(m Membership) bool {
	in, o := l.memberships[m], &l.presences[m.Presence].now
	if in.now {
		return false
	}
	in.now = true
	if o.Connections++; o.Connections > 1 {
		return false
	}
	o.JoinedAt = l.Now
	l.count(m.Room, 1)
	return true
}

// leave takes a connection's leave. It tells whether the presence ended.
func (l *Ledger) leave(m Membership) bool {
	in, o := l.memberships[m], &l.presences[m.Presence].now
	if !in.now {
		return false
	}
	in.now = false
	if o.Connections--; o.Connections > 0 {
		return false
	}
	o.JoinedAt = 0
	l.count(m.Room, -1)
	return true
}

// count takes a presence's beginning or end. All of a batch make one new version.
func (l *Ledger) count(room bw.RoomID, users int) {
	c := l.rooms[room]
	c.now.Users += users
	c.now.Version = c.before.Version + 1
}

// Difference is what the database has to write, each list in order.
type Difference struct {
	// Entered are new memberships, Left are those to delete.
	Entered, Left []Membership
	// Occupied are presences to write, new or not, Ended are those to delete.
	Occupied []Occupancy
	Ended    []Presence
	// Counts are those of the rooms in which presences began or ended.
	Counts []Count
}

// Difference compares what was loaded with what has become of it.
func (l *Ledger) Difference() Difference {
	var d Difference
	for _, m := range l.Memberships() {
		switch in := l.memberships[m]; {
		case in.now && !in.before:
			d.Entered = append(d.Entered, m)
		case in.before && !in.now:
			d.Left = append(d.Left, m)
		}
	}
	for _, p := range l.Presences() {
		switch o := l.presences[p]; {
		case o.now == o.before:
		case o.now.Connections == 0:
			d.Ended = append(d.Ended, p)
		default:
			d.Occupied = append(d.Occupied, o.now)
		}
	}
	for _, room := range l.Rooms() {
		if c := l.rooms[room]; c.now != c.before {
			d.Counts = append(d.Counts, c.now)
		}
	}
	return d
}

func comparePresences(a, b Presence) int {
	return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(a.User, b.User))
}

func compareMemberships(a, b Membership) int {
	return cmp.Or(comparePresences(a.Presence, b.Presence),
		cmp.Compare(a.Incarnation, b.Incarnation), cmp.Compare(a.Connection, b.Connection))
}
