package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// crowd makes users and the batches by which all of them enter and leave a room.
func (s *suite) crowd(t *testing.T, room bw.RoomID, size int) (in, out []store.Change) {
	t.Helper()
	for _, u := range s.users(t, size) {
		in, out = append(in, join(room, u, 1)), append(out, leave(room, u, 1))
	}
	return in, out
}

// testRepeatedBatch applies a batch again as a server does that was not
// answered.
func testRepeatedBatch(t *testing.T, s *suite) {
	room, other, server := s.room(t, "room"), s.room(t, "other"), s.register(t, "s", long)
	ann, bob, carl := s.user(t, "ann"), s.user(t, "bob"), s.user(t, "carl")
	s.apply(t, server, join(room, carl, 3), join(other, carl, 3))
	batch := []store.Change{join(room, ann, 1), join(room, ann, 2), leave(room, carl, 3), join(room, bob, 1), join(other, ann, 1)}
	first := s.apply(t, server, batch...)
	before := s.snapshot(t, room, other)
	for range 3 {
		for i, o := range s.apply(t, server, batch...) {
			if want := (store.Outcome{Users: first[i].Users, Version: first[i].Version}); o != want {
				t.Errorf("change %d, repeated: got %+v, want %+v", i, o, want)
			}
		}
	}
	if after := s.snapshot(t, room, other); !slices.EqualFunc(after, before, equalOccupants) {
		t.Errorf("after the repeats: got %+v, want %+v", after, before)
	}
	// What was repeated is one connection all the same.
	checkOutcomes(t, s.apply(t, server, leave(room, ann, 1), leave(room, ann, 2), leave(room, bob, 1)),
		[]bool{false, true, true}, []int{0, 0, 0})
}

func (s *suite) snapshot(t *testing.T, rooms ...bw.RoomID) []store.Occupants {
	t.Helper()
	all := make([]store.Occupants, len(rooms))
	for i, room := range rooms {
		var err error
		if all[i], err = s.ListOccupants(t.Context(), room, 0, 1000); err != nil {
			t.Fatalf("ListOccupants(%d): %v", room, err)
		}
	}
	return all
}

func equalOccupants(a, b store.Occupants) bool {
	return a.Count == b.Count && slices.Equal(a.Users, b.Users)
}

// testBatchIsSeenWhole reads while batches are written.
func testBatchIsSeenWhole(t *testing.T, s *suite) {
	const size, rounds = 40, 15
	room, server := s.room(t, "room"), s.register(t, "s", long)
	in, out := s.crowd(t, room, size)
	quit := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-quit:
				return
			default:
			}
			o, err := s.ListOccupants(context.Background(), room, 0, 1000)
			if got := len(o.Users); err != nil || got != 0 && got != size {
				t.Errorf("while batches of %d are written: got %d users and %v, want all or none", size, got, err)
				return
			}
		}
	})
	for range rounds {
		s.apply(t, server, in...)
		s.apply(t, server, out...)
	}
	close(quit)
	reader.Wait()
}

// testBrokenOffBatch gives up on batches at every moment. What became of one is
// not said, but it is all of it or nothing.
func testBrokenOffBatch(t *testing.T, s *suite) {
	const size, rounds, step = 40, 40, 100 * time.Microsecond
	room, server := s.room(t, "room"), s.register(t, "s", long)
	in, out := s.crowd(t, room, size)
	for i := range rounds {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*step)
		_, err := s.ApplyChanges(ctx, server, in)
		cancel()
		if err != nil {
			checkKind(t, "ApplyChanges with an ended context", err, bw.Unavailable)
		}
		left := s.apply(t, server, out...)
		changed := 0
		for _, o := range left {
			if o.Changed {
				changed++
			}
		}
		if changed != size && (changed != 0 || err == nil) {
			t.Fatalf("given up after %v: got error %v and %d of %d changes written", time.Duration(i)*step, err, changed, size)
		}
		s.checkOccupants(t, room)
	}
}

// testFencingRace lets connections enter a room while their server's life ends
// and its orphans are removed. Nothing enters after the end, so nothing stays.
func testFencingRace(t *testing.T, s *suite) {
	for _, end := range []struct {
		name string
		life func(*testing.T, store.Identity)
	}{
		{"registered again", func(t *testing.T, id store.Identity) { s.register(t, string(id.Server), long) }},
		{"released", func(t *testing.T, id store.Identity) {
			if err := s.Release(t.Context(), id); err != nil {
				t.Fatalf("Release: %v", err)
			}
		}},
		{"expired", func(t *testing.T, id store.Identity) {
			if err := s.Renew(t.Context(), id, brief); err != nil {
				t.Fatalf("Renew: %v", err)
			}
			s.expireOne(t)
		}},
	} {
		t.Run(end.name, func(t *testing.T) {
			const rounds = 4
			room := s.room(t, end.name)
			for range rounds {
				fencingRace(t, s, room, end.life)
			}
		})
	}
}

func fencingRace(t *testing.T, s *suite, room bw.RoomID, end func(*testing.T, store.Identity)) {
	const enterers, warm = 4, 20
	users, id := s.users(t, enterers), s.register(t, "s", long)
	var over sync.WaitGroup
	entered, ended, joins := make(chan struct{}, 1<<16), make(chan struct{}), make([]bw.ConnectionID, enterers)
	for i, u := range users {
		over.Go(func() {
			for c := bw.ConnectionID(1); ; c++ {
				late := isClosed(ended)
				_, err := s.ApplyChanges(context.Background(), id, []store.Change{join(room, u, c)})
				if err != nil || late {
					if !errors.Is(err, store.ErrFenced) {
						t.Errorf("entering, after the end %v: got error %v, want ErrFenced after it", late, err)
					}
					return
				}
				joins[i] = c
				entered <- struct{}{}
			}
		})
	}
	for range warm {
		<-entered
	}
	var departures []store.Departure
	over.Go(func() { // the janitor does not know that somebody enters still
		for !isClosed(ended) {
			some, _, err := s.DeleteOrphans(context.Background(), 1000)
			if err != nil {
				t.Errorf("DeleteOrphans: %v", err)
			}
			departures = append(departures, some...)
		}
	})
	end(t, id)
	close(ended)
	over.Wait()
	departures = append(departures, s.drain(t, 1000)...)
	left := make(map[bw.Name]int)
	for _, d := range departures {
		left[d.User]++
	}
	for i, u := range users {
		if want := int(min(joins[i], 1)); left[u.Name] != want {
			t.Errorf("%q left %d times after %d joins, want %d", u.Name, left[u.Name], joins[i], want)
		}
	}
	s.checkOccupants(t, room)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
