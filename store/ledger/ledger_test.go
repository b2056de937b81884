package ledger

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// database is what a store keeps, as plainly as can be.
type database struct {
	memberships map[Membership]bool
	presences   map[Presence]Occupancy
	counts      map[bw.RoomID]Count
	last        Record
	clock       bw.Millis
}

func newDatabase() *database {
	return &database{make(map[Membership]bool), make(map[Presence]Occupancy), make(map[bw.RoomID]Count), Record{}, 0}
}

// open does what stores do.
func (d *database) open(touched []Membership) *Ledger {
	l := Open(touched)
	d.clock++
	l.Now = d.clock
	for _, room := range l.Rooms() {
		if c, ok := d.counts[room]; ok {
			l.LoadCount(c)
		}
	}
	for _, p := range l.Presences() {
		if o, ok := d.presences[p]; ok {
			l.LoadOccupancy(o)
		}
	}
	for _, m := range l.Memberships() {
		if d.memberships[m] {
			l.LoadMembership(m)
		}
	}
	return l
}

// store fails on whatever a database would refuse, or need not be asked for.
func (d *database) store(t *rapid.T, diff Difference) {
	for _, m := range diff.Entered {
		if d.memberships[m] {
			t.Fatalf("%+v is inserted twice", m)
		}
		d.memberships[m] = true
	}
	for _, m := range diff.Left {
		if !d.memberships[m] {
			t.Fatalf("%+v is deleted and was not there", m)
		}
		delete(d.memberships, m)
	}
	for _, o := range diff.Occupied {
		if o.Connections < 1 || d.presences[o.Presence] == o {
			t.Fatalf("%+v is written where there was %+v", o, d.presences[o.Presence])
		}
		d.presences[o.Presence] = o
	}
	for _, p := range diff.Ended {
		if _, ok := d.presences[p]; !ok {
			t.Fatalf("%+v is deleted and was not there", p)
		}
		delete(d.presences, p)
	}
	for _, c := range diff.Counts {
		if d.counts[c.Room] == c {
			t.Fatalf("%+v is written again", c)
		}
		d.counts[c.Room] = c
	}
}

func (d *database) apply(t *rapid.T, b Batch) []store.Outcome {
	l := d.open(b.Memberships())
	outcomes, record, err := l.Apply(b, d.last)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	d.store(t, l.Difference())
	d.last = record
	return outcomes
}

// A ledger that is opened for what is touched, again and again, comes to the same
// as a plain set of connections.
func TestBatchesAgainstAPlainSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, in, began := newDatabase(), make(map[Membership]bool), make(map[Presence]bw.Millis)
		versions := make(map[bw.RoomID]int64)
		var last Batch
		var answer []store.Outcome
		t.Repeat(map[string]func(*rapid.T){
			"batch": func(t *rapid.T) {
				last = Batch{Incarnation: 7, Number: last.Number + 1, Changes: drawChanges(t)}
				answer = d.apply(t, last)
				touched := make(map[bw.RoomID]bool)
				for i, m := range last.Memberships() {
					before := connections(in, m.Presence)
					in[m] = !last.Changes[i].Leave
					after := connections(in, m.Presence)
					if want := (before == 0) != (after == 0); answer[i].Changed != want {
						t.Fatalf("change %d: got changed %v, want %v", i, answer[i].Changed, want)
					}
					if answer[i].Changed {
						touched[m.Room], began[m.Presence] = true, d.clock
					}
				}
				for room := range touched {
					versions[room]++
				}
				check(t, d, in, began, versions, last, answer)
			},
			"again": func(t *rapid.T) {
				if last.Number == 0 {
					return
				}
				memberships, presences, counts := maps.Clone(d.memberships), maps.Clone(d.presences), maps.Clone(d.counts)
				if again := d.apply(t, last); !slices.Equal(again, answer) {
					t.Fatalf("again: got %+v, want %+v", again, answer)
				}
				if !maps.Equal(memberships, d.memberships) || !maps.Equal(presences, d.presences) || !maps.Equal(counts, d.counts) {
					t.Fatalf("again: something was written")
				}
			},
		})
	})
}

func drawChanges(t *rapid.T) []store.Change {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) store.Change {
		return store.Change{
			Room:       bw.RoomID(rapid.IntRange(1, 2).Draw(t, "room")),
			User:       bw.UserID(rapid.IntRange(1, 2).Draw(t, "user")),
			Connection: bw.ConnectionID(rapid.IntRange(1, 3).Draw(t, "connection")),
			Leave:      rapid.Bool().Draw(t, "leave"),
		}
	}), 0, 20).Draw(t, "changes")
}

func connections(in map[Membership]bool, p Presence) (n int) {
	for m, there := range in {
		if there && m.Presence == p {
			n++
		}
	}
	return n
}

func check(
	t *rapid.T, d *database, in map[Membership]bool, began map[Presence]bw.Millis, versions map[bw.RoomID]int64,
	b Batch, answer []store.Outcome,
) {
	users := make(map[bw.RoomID]int)
	for p, o := range d.presences {
		users[p.Room]++
		if n := connections(in, p); o.Connections != n || o.JoinedAt != began[p] || o.Presence != p {
			t.Fatalf("got %+v, want %d connections since %d", o, n, began[p])
		}
	}
	for m, there := range in {
		if _, occupied := d.presences[m.Presence]; d.memberships[m] != there || there && !occupied {
			t.Fatalf("%+v: got it %v with a presence %v, want it %v", m, d.memberships[m], occupied, there)
		}
	}
	for i, c := range b.Changes {
		want := Count{Room: c.Room, Users: users[c.Room], Version: versions[c.Room]}
		if got := d.counts[c.Room]; want.Version > 0 && got != want || answer[i].Users != want.Users || answer[i].Version != want.Version {
			t.Fatalf("room %d: got %+v and the answer %+v, want %+v", c.Room, got, answer[i], want)
		}
	}
}

func TestABurial(t *testing.T) {
	d := newDatabase()
	mine := func(room bw.RoomID, user bw.UserID, connection bw.ConnectionID) Membership {
		return Membership{Presence{room, user}, 1, connection}
	}
	others := Membership{Presence{1, 1}, 2, 1}
	all := []Membership{mine(1, 1, 1), mine(1, 2, 1), mine(1, 2, 2), mine(1, 3, 1), mine(2, 3, 1)}
	for _, m := range append([]Membership{others}, all...) {
		o := d.presences[m.Presence]
		d.memberships[m], d.presences[m.Presence] = true, Occupancy{m.Presence, o.Connections + 1, 5}
	}
	d.counts[1], d.counts[2], d.counts[3] = Count{1, 3, 10}, Count{2, 1, 20}, Count{3, 0, 30}
	gone := mine(3, 1, 1) // somebody has removed it since it was found
	l := d.open(append(all, gone))
	got := l.Bury(append(all, gone))
	want := []Departure{{Presence{1, 2}, 1, 11}, {Presence{1, 3}, 1, 11}, {Presence{2, 3}, 0, 21}}
	if !slices.Equal(got, want) {
		t.Errorf("got departures %+v, want %+v", got, want)
	}
	diff := l.Difference()
	if b := diff.Burial(true); b.Removed != len(all) || !slices.Equal(b.Rooms, []bw.RoomID{1, 2}) || !b.More {
		t.Errorf("got %+v, want %d removed, ends in rooms 1 and 2, and more", b, len(all))
	}
	if want := []Occupancy{{Presence{1, 1}, 1, 5}}; !slices.Equal(diff.Occupied, want) || len(diff.Ended) != 3 || len(diff.Entered) != 0 {
		t.Errorf("got %+v, want %+v left and three ends", diff, want)
	}
}

func TestBatchesThatAreRefused(t *testing.T) {
	one := []store.Change{{Room: 1, User: 1, Connection: 1}}
	_, last, err := Open(Batch{Incarnation: 1, Number: 5, Changes: one}.Memberships()).
		Apply(Batch{Incarnation: 1, Number: 5, Changes: one}, Record{Number: 3, Changed: []byte{1}})
	if err != nil || last.Number != 5 {
		t.Fatalf("a later number: got %+v and error %v, want number 5", last, err)
	}
	for _, c := range []struct {
		number  int64
		changes []store.Change
		last    Record
	}{
		{4, one, last},
		{0, one, Record{}},
		{-1, one, Record{}},
		{5, nil, last},
		{5, append(one, one...), last},
		{5, one, Record{Number: 5}}, // no answers were kept
	} {
		t.Run(fmt.Sprintf("%d of %d after %+v", c.number, len(c.changes), c.last), func(t *testing.T) {
			b := Batch{Incarnation: 1, Number: c.number, Changes: c.changes}
			if outcomes, record, err := Open(b.Memberships()).Apply(b, c.last); bw.KindOf(err) != bw.Internal {
				t.Errorf("got %+v, %+v and error %v, want it refused as %s", outcomes, record, err, bw.Internal)
			}
		})
	}
}
