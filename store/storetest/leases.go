package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// brief is a lease that is over at once.
const brief = time.Millisecond

func testFencing(t *testing.T, s *suite) {
	room, ann := s.room(t, "room"), s.user(t, "ann")
	id := s.register(t, "s", brief)
	s.expireOne(t)
	for name, identity := range map[string]store.Identity{
		"dead":          id,
		"never lived":   {Server: "s", Incarnation: id.Incarnation + 1},
		"another's":     {Server: "other", Incarnation: id.Incarnation},
		"of no server":  {},
		"far in future": {Server: "s", Incarnation: 1 << 50},
	} {
		if _, err := s.ApplyChanges(t.Context(), identity, []store.Change{join(room, ann, 1)}); !errors.Is(err, store.ErrFenced) {
			t.Errorf("%s: ApplyChanges: got error %v, want ErrFenced", name, err)
		}
		if err := s.Renew(t.Context(), identity, long); !errors.Is(err, store.ErrFenced) {
			t.Errorf("%s: Renew: got error %v, want ErrFenced", name, err)
		}
	}
	s.checkOccupants(t, room)
	if d := s.drain(t, 10); len(d) != 0 {
		t.Errorf("what was fenced left orphans: %+v", d)
	}
}

func testRegisterKills(t *testing.T, s *suite) {
	room, ann := s.room(t, "room"), s.user(t, "ann")
	other := s.register(t, "other", long)
	var last bw.Incarnation
	for range 3 {
		id := s.register(t, "s", long)
		if id.Server != "s" || id.Incarnation <= last {
			t.Fatalf("got %+v after incarnation %d", id, last)
		}
		if last != 0 {
			old := store.Identity{Server: "s", Incarnation: last}
			if _, err := s.ApplyChanges(t.Context(), old, []store.Change{join(room, ann, 2)}); !errors.Is(err, store.ErrFenced) {
				t.Errorf("the older life: got error %v, want ErrFenced", err)
			}
			if err := s.Renew(t.Context(), old, long); !errors.Is(err, store.ErrFenced) {
				t.Errorf("renewing the older life: got error %v, want ErrFenced", err)
			}
		}
		last = id.Incarnation
		s.apply(t, id, join(room, ann, 1))
	}
	if err := s.Renew(t.Context(), other, long); err != nil {
		t.Errorf("another server: %v", err)
	}
	s.drain(t, 10)
	s.checkOccupants(t, room, "ann")
	// Ids of the dead are not given again even when nothing is left of them.
	if id := s.register(t, "s", long); id.Incarnation <= last {
		t.Errorf("got incarnation %d after %d", id.Incarnation, last)
	}
}

func testRenew(t *testing.T, s *suite) {
	id := s.register(t, "s", brief)
	if err := s.Renew(t.Context(), id, long); err != nil {
		t.Fatalf("Renew: %v", err) // a lease that is over but not declared so can be renewed
	}
	other := s.register(t, "other", brief)
	if dead := s.expireOne(t); dead != other {
		t.Errorf("got %v declared dead, want %v", dead, other)
	}
	s.apply(t, id)
	if err := s.Renew(t.Context(), id, brief); err != nil {
		t.Fatalf("Renew: %v", err)
	}
	if dead := s.expireOne(t); dead != id {
		t.Errorf("got %v declared dead, want %v", dead, id)
	}
}

func testExpireOnce(t *testing.T, s *suite) {
	const servers = 20
	alive := s.register(t, "alive", long)
	want := make(map[store.Identity]int)
	for i := range servers {
		want[s.register(t, fmt.Sprint("s", i), brief)] = 0
	}
	deadline := time.Now().Add(waitLimit)
	for got := 0; got < servers && time.Now().Before(deadline); {
		dead, errs := atOnce(4, func(int) ([]store.Identity, error) { return s.ExpireLeases(t.Context()) })
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("ExpireLeases: %v", err)
		}
		for _, list := range dead {
			for _, id := range list {
				want[id]++
				got++
			}
		}
	}
	for id, times := range want {
		if times != 1 {
			t.Errorf("%v was declared dead %d times, want once", id, times)
		}
	}
	if dead, err := s.ExpireLeases(t.Context()); err != nil || len(dead) != 0 {
		t.Errorf("once more: got %v and %v, want none", dead, err)
	}
	s.apply(t, alive)
}

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
	departures := s.drain(t, 10)
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
	if d := s.drain(t, 10); len(d) != 0 {
		t.Errorf("again: got %+v, want none", d)
	}
	if _, err := s.ApplyChanges(t.Context(), dying, nil); !errors.Is(err, store.ErrFenced) {
		t.Errorf("the dead, buried: got error %v, want ErrFenced", err)
	}
}

func testOrphanBatches(t *testing.T, s *suite) {
	const crowd = 50
	room, users := s.room(t, "room"), s.users(t, crowd)
	id := s.register(t, "s", long)
	var batch []store.Change
	for i, u := range users {
		batch = append(batch, join(room, u, bw.ConnectionID(i)), join(room, u, bw.ConnectionID(1000+i)))
	}
	s.apply(t, id, batch...)
	if err := s.Release(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	again := s.register(t, "s", long)
	s.apply(t, again, join(room, users[0], 1)) // he is back before the batches
	departures, more, err := s.DeleteOrphans(t.Context(), 7)
	if err != nil || !more || len(departures) > 7 {
		t.Fatalf("the first batch: got %d departures, more %v, error %v", len(departures), more, err)
	}
	departures = append(departures, s.drain(t, 7)...)
	left := make(map[bw.Name]int)
	for _, d := range departures {
		left[d.User]++
	}
	for i, u := range users {
		if want := min(i, 1); left[u.Name] != want {
			t.Errorf("%q left %d times, want %d", u.Name, left[u.Name], want)
		}
	}
	s.checkOccupants(t, room, users[0].Name)
}

func testOrphansAtOnce(t *testing.T, s *suite) {
	const crowd = 60
	room, users := s.room(t, "room"), s.users(t, crowd)
	id := s.register(t, "s", long)
	var batch []store.Change
	for i, u := range users {
		batch = append(batch, join(room, u, bw.ConnectionID(i)))
	}
	s.apply(t, id, batch...)
	if err := s.Release(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	found, errs := atOnce(4, func(int) (all []store.Departure, err error) {
		for more := true; more && err == nil; {
			var some []store.Departure
			some, more, err = s.DeleteOrphans(t.Context(), 5)
			all = append(all, some...)
		}
		return all, err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	left := make(map[bw.Name]int)
	for _, list := range found {
		for _, d := range list {
			left[d.User]++
		}
	}
	for _, u := range users {
		if left[u.Name] != 1 {
			t.Errorf("%q left %d times, want once", u.Name, left[u.Name])
		}
	}
	s.checkOccupants(t, room)
}

func testRelease(t *testing.T, s *suite) {
	room, ann := s.room(t, "room"), s.user(t, "ann")
	id := s.register(t, "s", long)
	s.apply(t, id, join(room, ann, 1))
	if err := s.Release(t.Context(), id); err != nil {
		t.Fatalf("Release: %v", err)
	}
	if err := s.Renew(t.Context(), id, long); !errors.Is(err, store.ErrFenced) {
		t.Errorf("Renew after it: got error %v, want ErrFenced", err)
	}
	if dead, err := s.ExpireLeases(t.Context()); err != nil || len(dead) != 0 {
		t.Errorf("a released life was declared dead: %v (%v)", dead, err)
	}
	if d := s.drain(t, 10); len(d) != 1 || d[0].User != "ann" || d[0].Room != room || d[0].Users != 0 {
		t.Errorf("got departures %+v, want ann's", d)
	}
	if err := s.Release(t.Context(), id); err != nil {
		t.Errorf("Release again: %v", err)
	}
}
