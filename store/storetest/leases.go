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
		if _, err := s.ApplyChanges(t.Context(), identity, s.next(identity), []store.Change{join(room, ann, 1)}); !errors.Is(err, store.ErrFenced) {
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
			if _, err := s.ApplyChanges(t.Context(), old, s.next(old), []store.Change{join(room, ann, 2)}); !errors.Is(err, store.ErrFenced) {
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

func testSucceed(t *testing.T, s *suite) {
	first := s.register(t, "s", brief)
	s.expireOne(t)
	second, err := s.Succeed(t.Context(), first, long)
	if err != nil || second.Server != "s" || second.Incarnation <= first.Incarnation {
		t.Fatalf("after its death: got %+v, %v, want a newer incarnation", second, err)
	}
	other := s.register(t, "s", long) // another process
	if id, err := s.Succeed(t.Context(), second, long); !errors.Is(err, store.ErrSuperseded) {
		t.Errorf("beside another process: got %+v, %v, want ErrSuperseded", id, err)
	}
	if err := s.Renew(t.Context(), other, brief); err != nil {
		t.Errorf("the other process: %v", err)
	}
	// That one died, too, whether or not anybody has said so.
	eventually(t, "the name is free", func() bool { _, err := s.Succeed(t.Context(), second, long); return err == nil })
	if err := s.Renew(t.Context(), other, long); !errors.Is(err, store.ErrFenced) {
		t.Errorf("renewing the life before: got error %v, want ErrFenced", err)
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
