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
// not said, but it is all of it or nothing; and when it is sent again its answers
// are those that were lost.
func testBrokenOffBatch(t *testing.T, s *suite) {
	const size, rounds, step = 40, 40, 100 * time.Microsecond
	room, server := s.room(t, "room"), s.register(t, "s", long)
	in, out := s.crowd(t, room, size)
	for i := range rounds {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*step)
		_, err := s.ApplyChanges(ctx, server, s.next(server), in)
		cancel()
		if err != nil {
			checkKind(t, "ApplyChanges with an ended context", err, bw.Unavailable)
		}
		if got := len(s.snapshot(t, room)[0].Users); got != size && (got != 0 || err == nil) {
			t.Fatalf("given up after %v: got error %v and %d of %d changes written", time.Duration(i)*step, err, got, size)
		}
		for c, o := range s.repeat(t, server, in...) {
			if !o.Changed || o.Users != size {
				t.Fatalf("given up after %v with error %v, change %d sent again: got %+v, want a beginning among %d", time.Duration(i)*step, err, c, o, size)
			}
		}
		for c, o := range s.apply(t, server, out...) {
			if !o.Changed || o.Users != 0 {
				t.Fatalf("change %d of the leaves: got %+v, want an end", c, o)
			}
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
		{"released", func(t *testing.T, id store.Identity) { s.release(t, id) }},
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
	const warm = 20
	users, id := s.users(t, 4), s.register(t, "s", long)
	var over sync.WaitGroup
	entered, ended := make(chan struct{}, 1<<16), make(chan struct{})
	over.Go(func() {
		for c := bw.ConnectionID(1); ; c++ {
			var batch []store.Change
			for _, u := range users {
				batch = append(batch, join(room, u, c))
			}
			late := isClosed(ended)
			_, err := s.ApplyChanges(context.Background(), id, s.next(id), batch)
			if err != nil || late {
				if !errors.Is(err, store.ErrFenced) {
					t.Errorf("entering, after the end %v: got error %v, want ErrFenced after it", late, err)
				}
				return
			}
			entered <- struct{}{}
		}
	})
	for range warm {
		<-entered
	}
	over.Go(func() { // the janitor does not know that somebody enters still
		for !isClosed(ended) {
			if _, err := s.DeleteOrphans(context.Background(), 0, 1000); err != nil {
				t.Errorf("DeleteOrphans: %v", err)
			}
		}
	})
	end(t, id)
	close(ended)
	over.Wait()
	want := make(map[bw.Name]int)
	for _, u := range users {
		want[u.Name] = 1
	}
	checkLeft(t, s.drain(t, 1000), want)
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
