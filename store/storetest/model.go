package storetest

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// model is what a store should know of memberships, as plainly as can be.
type model struct {
	in       map[modelKey]bool // the connections that are in, dead incarnations' too
	dead     map[bw.Incarnation]bool
	versions map[bw.RoomID]int64
}

type modelKey struct {
	room        bw.RoomID
	user        bw.UserID
	incarnation bw.Incarnation
	connection  bw.ConnectionID
}

func (m *model) present(room bw.RoomID, user bw.UserID) bool {
	for k := range m.in {
		if k.room == room && k.user == user {
			return true
		}
	}
	return false
}

func (m *model) users(room bw.RoomID) map[bw.UserID]bool {
	users := make(map[bw.UserID]bool)
	for k := range m.in {
		if k.room == room {
			users[k.user] = true
		}
	}
	return users
}

// apply says for each change whether the presence began or ended by it.
func (m *model) apply(id store.Identity, batch []store.Change) []bool {
	changed := make([]bool, len(batch))
	for i, c := range batch {
		before := m.present(c.Room, c.User)
		k := modelKey{c.Room, c.User, id.Incarnation, c.Connection}
		if c.Leave {
			delete(m.in, k)
		} else {
			m.in[k] = true
		}
		changed[i] = m.present(c.Room, c.User) != before
	}
	return changed
}

// bury removes the connections of the dead and says who left by that.
func (m *model) bury() map[bw.RoomID]map[bw.UserID]bool {
	left := make(map[bw.RoomID]map[bw.UserID]bool)
	for k := range m.in {
		if m.dead[k.incarnation] {
			delete(m.in, k)
			if left[k.room] == nil {
				left[k.room] = make(map[bw.UserID]bool)
			}
			left[k.room][k.user] = true
		}
	}
	for room, users := range left {
		for user := range users {
			if m.present(room, user) {
				delete(users, user)
			}
		}
	}
	return left
}

// testChangesAgainstModel lets servers change rooms, die and be buried in any
// order, and compares every answer with the model's.
func testChangesAgainstModel(t *testing.T, s *suite) {
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		w := &world{rt: rt, s: s, m: model{
			in: make(map[modelKey]bool), dead: make(map[bw.Incarnation]bool), versions: make(map[bw.RoomID]int64),
		}}
		w.build(t, run)
		rt.Repeat(map[string]func(*rapid.T){
			"change": w.change, "crash": w.crash, "bury": w.bury, "": w.compare,
		})
		for _, id := range w.servers {
			if err := s.Release(context.Background(), id); err != nil {
				rt.Fatalf("Release: %v", err)
			}
			w.m.dead[id.Incarnation] = true
		}
		w.bury(rt)
		w.compare(rt)
	})
}

// world is one run of the property: some rooms, users and servers.
type world struct {
	rt      *rapid.T
	s       *suite
	m       model
	rooms   []bw.RoomID
	users   []bw.User
	servers []store.Identity
}

func (w *world) build(t *testing.T, run int) {
	for i := range 2 {
		w.rooms = append(w.rooms, w.s.room(t, fmt.Sprintf("room %d of run %d", i, run)))
		w.servers = append(w.servers, w.s.register(t, fmt.Sprintf("server %d", i), long))
	}
	w.users = w.s.users(t, 3)
}

func (w *world) change(rt *rapid.T) {
	server := rapid.SampledFrom(w.servers).Draw(rt, "server")
	batch := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) store.Change {
		return store.Change{
			Room:       rapid.SampledFrom(w.rooms).Draw(rt, "room"),
			User:       rapid.SampledFrom(w.users).Draw(rt, "user").ID,
			Connection: bw.ConnectionID(rapid.IntRange(1, 3).Draw(rt, "connection")),
			Leave:      rapid.Bool().Draw(rt, "leave"),
		}
	}), 1, 8).Draw(rt, "batch")
	outcomes, err := w.s.ApplyChanges(context.Background(), server, batch)
	if err != nil {
		rt.Fatalf("ApplyChanges: %v", err)
	}
	changed := w.m.apply(server, batch)
	grew := make(map[bw.RoomID]bool)
	for i, c := range batch {
		grew[c.Room] = grew[c.Room] || changed[i]
	}
	for i, o := range outcomes {
		room := batch[i].Room
		if want := len(w.m.users(room)); o.Changed != changed[i] || o.Users != want {
			rt.Fatalf("change %d: got %+v, want changed %v and %d users", i, o, changed[i], want)
		}
		if before := w.m.versions[room]; (o.Version > before) != grew[room] || o.Version < before {
			rt.Fatalf("change %d: got version %d after %d, want it to grow: %v", i, o.Version, before, grew[room])
		}
	}
	for i, o := range outcomes {
		w.m.versions[batch[i].Room] = o.Version
	}
}

// crash begins a new life of a server; the old one's connections are orphans.
func (w *world) crash(rt *rapid.T) {
	i := rapid.IntRange(0, len(w.servers)-1).Draw(rt, "server")
	old := w.servers[i]
	w.servers[i] = w.s.register(rt, string(old.Server), long)
	w.m.dead[old.Incarnation] = true
}

func (w *world) bury(rt *rapid.T) {
	before := maps.Clone(w.m.versions)
	departures := w.s.drain(rt, rapid.IntRange(1, 5).Draw(rt, "limit"))
	left := w.m.bury()
	want := 0
	for _, users := range left {
		want += len(users)
	}
	if len(departures) != want {
		rt.Fatalf("got departures %+v, want %v", departures, left)
	}
	ids := make(map[bw.Name]bw.UserID)
	for _, u := range w.users {
		ids[u.Name] = u.ID
	}
	for _, d := range departures {
		if id := ids[d.User]; !left[d.Room][id] {
			rt.Fatalf("got departure %+v, want each of %v once", d, left)
		} else {
			delete(left[d.Room], id)
		}
		if d.Version <= before[d.Room] || d.Version < w.m.versions[d.Room] {
			rt.Fatalf("departure %+v: want a version above %d, and none below %d", d, before[d.Room], w.m.versions[d.Room])
		}
		w.m.versions[d.Room] = d.Version
		if len(left[d.Room]) == 0 && d.Users != len(w.m.users(d.Room)) {
			rt.Fatalf("the last departure %+v, want %d users", d, len(w.m.users(d.Room)))
		}
	}
}

func (w *world) compare(rt *rapid.T) {
	for _, room := range w.rooms {
		want := w.m.users(room)
		got := w.s.occupants(rt, room)
		if len(got) != len(want) {
			rt.Fatalf("room %d: got occupants %q, want %v", room, got, want)
		}
		for _, u := range w.users {
			if has := want[u.ID]; has != contains(got, u.Name) {
				rt.Fatalf("room %d: got occupants %q, want %q among them: %v", room, got, u.Name, has)
			}
		}
	}
}

func contains(names []bw.Name, name bw.Name) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
