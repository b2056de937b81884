package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
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
	untold   []burial
}

// burial is what was removed from a room at once, as far as it was not told.
type burial struct {
	room bw.RoomID
	left map[bw.UserID]bool
	// before and after are the room's versions, users how many are left in it.
	before, after int64
	users         int
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

// bury removes the connections of the dead and says how many they were, and who
// left by that.
func (m *model) bury() (removed int, left map[bw.RoomID]map[bw.UserID]bool) {
	left = make(map[bw.RoomID]map[bw.UserID]bool)
	for k := range m.in {
		if m.dead[k.incarnation] {
			removed++
			delete(m.in, k)
			if left[k.room] == nil {
				left[k.room] = make(map[bw.UserID]bool)
			}
			left[k.room][k.user] = true
		}
	}
	for room, users := range left {
		maps.DeleteFunc(users, func(user bw.UserID, _ bool) bool { return m.present(room, user) })
	}
	maps.DeleteFunc(left, func(_ bw.RoomID, users map[bw.UserID]bool) bool { return len(users) == 0 })
	return removed, left
}

// testChangesAgainstModel lets servers change rooms, repeat themselves, die and be
// buried, and those who left by it be told, in any order, and compares every answer
// with the model's.
func testChangesAgainstModel(t *testing.T, s *suite) {
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		w := &world{s: s, last: make(map[bw.Incarnation]sent), m: model{
			in: make(map[modelKey]bool), dead: make(map[bw.Incarnation]bool), versions: make(map[bw.RoomID]int64),
		}}
		w.build(t, run)
		rt.Repeat(map[string]func(*rapid.T){
			"change": w.change, "repeat": w.repeat, "crash": w.crash, "bury": w.bury, "tell": w.tell, "": w.compare,
		})
		for _, id := range w.servers {
			s.release(rt, id)
			w.m.dead[id.Incarnation] = true
		}
		w.bury(rt)
		w.tell(rt)
		w.compare(rt)
	})
}

// world is one run of the property: some rooms, users and servers.
type world struct {
	s       *suite
	m       model
	rooms   []bw.RoomID
	users   []bw.User
	servers []store.Identity
	witness store.Identity // of whom nobody is anywhere
	last    map[bw.Incarnation]sent
}

// sent is a server's last batch, with what it was answered.
type sent struct {
	batch   []store.Change
	changed []bool
}

func (w *world) build(t *testing.T, run int) {
	for i := range 2 {
		w.rooms = append(w.rooms, w.s.room(t, fmt.Sprintf("room %d of run %d", i, run)))
		w.servers = append(w.servers, w.s.register(t, fmt.Sprintf("server %d", i), long))
	}
	w.users = w.s.users(t, 3)
	w.witness = w.s.register(t, "witness", long)
	w.s.drain(t, 1000) // what a run that failed has left
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
	outcomes := w.s.apply(rt, server, batch...)
	changed := w.m.apply(server, batch)
	w.last[server.Incarnation] = sent{batch, changed}
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

// repeat sends a server's last batch again, whatever others have done since.
func (w *world) repeat(rt *rapid.T) {
	server := rapid.SampledFrom(w.servers).Draw(rt, "server")
	last := w.last[server.Incarnation]
	if last.batch == nil {
		return
	}
	for i, o := range w.s.repeat(rt, server, last.batch...) {
		room := last.batch[i].Room
		want := store.Outcome{Changed: last.changed[i], Users: len(w.m.users(room)), Version: w.m.versions[room]}
		if o != want {
			rt.Fatalf("change %d, repeated: got %+v, want %+v", i, o, want)
		}
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
	limit := rapid.IntRange(1, 5).Draw(rt, "limit")
	if removed, rooms := w.s.bury(rt, long, limit); removed != 0 || len(rooms) != 0 {
		rt.Fatalf("within the grace: got %d memberships removed and ends in %v, want none", removed, rooms)
	}
	removed, rooms := w.s.bury(rt, 0, limit)
	want, left := w.m.bury()
	if removed != want || len(rooms) != len(left) {
		rt.Fatalf("got %d memberships removed and ends in %v, want %d and %v", removed, rooms, want, left)
	}
	for room, users := range left {
		b := burial{room, users, w.m.versions[room], w.version(rt, room), len(w.m.users(room))}
		if !rooms[room] || b.after <= b.before {
			rt.Fatalf("got ends in %v and version %d after %d, want users %v to leave room %d", rooms, b.after, b.before, users, room)
		}
		w.m.versions[room] = b.after
		w.m.untold = append(w.m.untold, b)
	}
}

// version asks by a batch that changes nothing.
func (w *world) version(rt *rapid.T, room bw.RoomID) int64 {
	return w.s.apply(rt, w.witness, leave(room, w.users[0], 1))[0].Version
}

// tell claims all departures, and forgets them or not.
func (w *world) tell(rt *rapid.T) {
	ids := make(map[bw.Name]bw.UserID)
	for _, u := range w.users {
		ids[u.Name] = u.ID
	}
	var told []int64
	for _, d := range w.s.claim(rt, rapid.IntRange(1, 5).Draw(rt, "limit")) {
		i := slices.IndexFunc(w.m.untold, func(b burial) bool {
			return b.room == d.Room && b.before < d.Version && d.Version <= b.after
		})
		if i < 0 || !w.m.untold[i].left[ids[d.User]] || w.m.present(d.Room, ids[d.User]) {
			rt.Fatalf("got departure %+v, want each of %+v once, but for who is back", d, w.m.untold)
		}
		if b := w.m.untold[i]; d.Version == b.after && d.Users != b.users {
			rt.Fatalf("got departure %+v, want %d users", d, b.users)
		}
		delete(w.m.untold[i].left, ids[d.User])
		told = append(told, d.ID)
	}
	for _, b := range w.m.untold {
		for user := range b.left {
			if !w.m.present(b.room, user) {
				rt.Fatalf("user %d left room %d, and nobody was told", user, b.room)
			}
		}
	}
	w.m.untold = nil // who is back is forgotten
	if rapid.Bool().Draw(rt, "forget") {
		if err := w.s.ForgetDepartures(context.Background(), told); err != nil {
			rt.Fatalf("ForgetDepartures: %v", err)
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
			if has := want[u.ID]; has != slices.Contains(got, u.Name) {
				rt.Fatalf("room %d: got occupants %q, want %q among them: %v", room, got, u.Name, has)
			}
		}
	}
}
