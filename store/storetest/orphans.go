package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

func testOrphans(t *testing.T, s *suite) {
	room, other := s.room(t, "room"), s.room(t, "other")
	ann, bob, carl := s.user(t, "ann"), s.user(t, "bob"), s.user(t, "carl")
	living, dying := s.register(t, "living", long), s.register(t, "dying", long)
	s.apply(t, living, join(room, ann, 1))
	out := s.apply(t, dying, join(room, ann, 1), join(room, bob, 2), join(room, bob, 3), join(other, carl, 4))
	if d := s.drain(t, 10); len(d) != 0 {
		t.Fatalf("the living left orphans: %+v", d)
	}
	s.checkOccupants(t, room, "ann", "bob")
	if err := s.Renew(t.Context(), dying, brief); err != nil {
		t.Fatal(err)
	}
	s.expireOne(t)
	s.checkOccupants(t, room, "ann", "bob") // until they are deleted, orphans are in
	removed, rooms := s.bury(t, 0, 10)
	if want := map[bw.RoomID]bool{room: true, other: true}; removed != 4 || !maps.Equal(rooms, want) {
		t.Errorf("got %d memberships removed and ends in %v, want 4 and %v", removed, rooms, want)
	}
	departures := s.claim(t, 10)
	if len(departures) != 2 || departures[0].Room == departures[1].Room {
		t.Fatalf("got departures %+v, want those of bob and carl", departures)
	}
	for _, d := range departures {
		inRoom := d.Room == room && d.User == "bob" && d.Users == 1 && d.Version > out[0].Version
		inOther := d.Room == other && d.User == "carl" && d.Users == 0
		if !inRoom && !inOther {
			t.Errorf("got %+v, want bob's, 1 user and a version above %d, or carl's and no users", d, out[0].Version)
		}
	}
	s.checkOccupants(t, room, "ann")
	s.checkOccupants(t, other)
	if removed, _ := s.bury(t, 0, 10); removed != 0 {
		t.Errorf("again: got %d memberships removed, want none", removed)
	}
	if _, err := s.ApplyChanges(t.Context(), dying, s.next(dying), nil); !errors.Is(err, store.ErrFenced) {
		t.Errorf("the dead, buried: got error %v, want ErrFenced", err)
	}
}

func testOrphanBatches(t *testing.T, s *suite) {
	const crowd = 50
	room, users := s.room(t, "room"), s.users(t, crowd)
	id, want := s.register(t, "s", long), make(map[bw.Name]int)
	var batch []store.Change
	for i, u := range users {
		batch = append(batch, join(room, u, bw.ConnectionID(i)), join(room, u, bw.ConnectionID(1000+i)))
		want[u.Name] = 1
	}
	s.apply(t, id, batch...)
	s.release(t, id)
	again := s.register(t, "s", long)
	s.apply(t, again, join(room, users[0], 1)) // he is back before the batches
	delete(want, users[0].Name)
	first, err := s.DeleteOrphans(t.Context(), 0, 7)
	if err != nil || !first.More || first.Removed != 7 {
		t.Fatalf("the first batch: got %+v and error %v, want 7 removed and more", first, err)
	}
	rest, _ := s.bury(t, 0, 7)
	if rest != 2*crowd-7 {
		t.Errorf("the rest: got %d memberships removed, want %d", rest, 2*crowd-7)
	}
	checkLeft(t, s.claim(t, 7), want)
	s.checkOccupants(t, room, users[0].Name)
}

func testOrphansAtOnce(t *testing.T, s *suite) {
	const crowd, janitors = 60, 4
	room, users := s.room(t, "room"), s.users(t, crowd)
	id, want := s.register(t, "s", long), make(map[bw.Name]int)
	var batch []store.Change
	for i, u := range users {
		batch = append(batch, join(room, u, bw.ConnectionID(i)))
		want[u.Name] = 1
	}
	s.apply(t, id, batch...)
	s.release(t, id)
	removed, errs := atOnce(janitors, func(int) (removed int, err error) {
		for more := true; more && err == nil; {
			var b store.Burial
			b, err = s.DeleteOrphans(t.Context(), 0, 5)
			removed, more = removed+b.Removed, b.More
		}
		return removed, err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	// Whoever finds somebody else at it goes away; he goes on until nothing is left.
	sum := 0
	for _, n := range removed {
		sum += n
	}
	if sum != crowd {
		t.Errorf("got %d memberships removed by %v, want %d", sum, removed, crowd)
	}
	checkLeft(t, s.claim(t, 100), want)
	s.checkOccupants(t, room)
}

// testBrokenOffJanitors lets janitors work on the same orphans, of which every
// other call is given up, each a little later than the one before. In the end all
// orphans are gone and there is one departure for each.
func testBrokenOffJanitors(t *testing.T, s *suite) {
	const janitors, rooms, crowd, servers = 5, 100, 50, 2
	users, want, gone := s.users(t, crowd), make(map[presence]int), make(map[presence]int)
	var list []bw.RoomID
	for i := range rooms {
		list = append(list, s.room(t, fmt.Sprint("room ", i)))
	}
	for i := range servers {
		id := s.register(t, fmt.Sprint("server ", i), long)
		var batch []store.Change
		for _, room := range list[i*rooms/servers : (i+1)*rooms/servers] {
			for _, u := range users {
				batch = append(batch, join(room, u, 1))
				want[presence{room, u.Name}] = 1
			}
		}
		s.apply(t, id, batch...)
		s.release(t, id)
	}
	var left atomic.Bool // nobody is in any room
	_, errs := atOnce(janitors, func(janitor int) (struct{}, error) {
		for call := 0; !left.Load(); call++ {
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if call%2 == 1 {
				ctx, cancel = context.WithTimeout(ctx, time.Duration(janitor+call)*time.Millisecond)
			}
			_, err := s.DeleteOrphans(ctx, 0, 100)
			broken := ctx.Err() != nil
			cancel()
			if err != nil && !broken {
				return struct{}{}, err
			}
			now, err := s.ListRooms(t.Context(), 0, 10*rooms)
			if err != nil {
				return struct{}{}, err
			}
			if !slices.ContainsFunc(now, func(r store.RoomCount) bool { return r.Users > 0 }) {
				left.Store(true)
			}
		}
		return struct{}{}, nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, d := range s.claim(t, 1000) {
		gone[presence{d.Room, d.User}]++
	}
	if !maps.Equal(gone, want) {
		t.Errorf("got departures of %d presences, want one of each of %d", len(gone), len(want))
		for p, n := range gone {
			if n != 1 {
				t.Errorf("%q left room %d %d times", p.user, p.room, n)
			}
		}
	}
}

// presence is a user in a room.
type presence struct {
	room bw.RoomID
	user bw.Name
}

// testGrace lets servers die in each way there is.
func testGrace(t *testing.T, s *suite) {
	const grace = 60 * time.Millisecond
	var death time.Time
	for name, die := range map[string]func(store.Identity){
		"released":         func(id store.Identity) { s.release(t, id) },
		"registered again": func(id store.Identity) { s.register(t, string(id.Server), long) },
		"expired": func(id store.Identity) {
			if err := s.Renew(t.Context(), id, brief); err != nil {
				t.Fatal(err)
			}
			<-time.After(2 * grace) // that nobody has looked for so long does not count
			death = time.Now()
			s.expireOne(t)
		},
	} {
		room, ann := s.room(t, name), s.user(t, "ann")
		id := s.register(t, name, long)
		s.apply(t, id, join(room, ann, 1))
		death = time.Now()
		die(id)
		if b, err := s.DeleteOrphans(t.Context(), long, 10); err != nil || b.Removed != 0 || b.More || len(b.Rooms) != 0 {
			t.Errorf("%s, within the grace: got %+v and error %v, want nothing removed and nothing to remove", name, b, err)
		}
		s.checkOccupants(t, room, "ann")
		if d := s.claim(t, 10); len(d) != 0 {
			t.Errorf("%s, within the grace: got departures %+v, want none", name, d)
		}
		eventually(t, "the end of the grace", func() bool {
			removed, _ := s.bury(t, grace, 10)
			return removed > 0
		})
		if after := time.Since(death); after < grace-2*time.Millisecond { // clocks count whole ones
			t.Errorf("%s: got ann removed after %v, want a grace of %v", name, after, grace)
		}
		s.checkOccupants(t, room)
		checkLeft(t, s.claim(t, 10), map[bw.Name]int{"ann": 1})
	}
}

// testBackWithinGrace lets users come back to another server before the janitor
// comes: nobody hears of it.
func testBackWithinGrace(t *testing.T, s *suite) {
	room, ann, bob := s.room(t, "room"), s.user(t, "ann"), s.user(t, "bob")
	dying, living := s.register(t, "dying", long), s.register(t, "living", long)
	before := s.apply(t, dying, join(room, ann, 1), join(room, bob, 2))
	s.release(t, dying)
	s.bury(t, long, 10)
	back := s.apply(t, living, join(room, ann, 1))
	checkOutcomes(t, back, []bool{false}, []int{2})
	if back[0].Version != before[0].Version {
		t.Errorf("got version %d, want %d as before", back[0].Version, before[0].Version)
	}
	removed, rooms := s.bury(t, 0, 10)
	if removed != 2 || !rooms[room] {
		t.Errorf("got %d memberships removed and ends in %v, want both, and bob's end", removed, rooms)
	}
	checkLeft(t, s.claim(t, 10), map[bw.Name]int{"bob": 1})
	s.checkOccupants(t, room, "ann")
	checkOutcomes(t, s.apply(t, living, leave(room, ann, 1)), []bool{true}, []int{0})
}
