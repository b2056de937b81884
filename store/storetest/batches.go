package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// testRepeatedBatch applies a batch again as a server does that was not answered:
// it is written once, and answered as if the first answer had come.
func testRepeatedBatch(t *testing.T, s *suite) {
	room, other, server := s.room(t, "room"), s.room(t, "other"), s.register(t, "s", long)
	ann, bob, carl := s.user(t, "ann"), s.user(t, "bob"), s.user(t, "carl")
	s.apply(t, server, join(room, carl, 3), join(other, carl, 3))
	batch := []store.Change{
		join(room, ann, 1), join(room, ann, 2), leave(room, carl, 3), join(room, bob, 1),
		join(other, ann, 1), leave(other, ann, 1), leave(other, bob, 9),
	}
	first := s.apply(t, server, batch...)
	checkOutcomes(t, first, []bool{true, false, true, true, true, true, false}, []int{2, 2, 2, 2, 1, 1, 1})
	before := s.snapshot(t, room, other)
	for range 3 {
		if again := s.repeat(t, server, batch...); !slices.Equal(again, first) {
			t.Errorf("repeated: got %+v, want %+v", again, first)
		}
	}
	if after := s.snapshot(t, room, other); !slices.EqualFunc(after, before, equalOccupants) {
		t.Errorf("after the repeats: got %+v, want %+v", after, before)
	}
	checkOutcomes(t, s.apply(t, server, leave(room, ann, 1), leave(room, ann, 2), leave(room, bob, 1)),
		[]bool{false, true, true}, []int{0, 0, 0})
}

// testRepeatedAmongOthers repeats a batch after other servers have changed the same
// rooms. Its answers are those of the first time, with the users of now.
func testRepeatedAmongOthers(t *testing.T, s *suite) {
	room, other := s.room(t, "room"), s.room(t, "other")
	ann, bob, carl := s.user(t, "ann"), s.user(t, "bob"), s.user(t, "carl")
	one, two := s.register(t, "one", long), s.register(t, "two", long)
	s.apply(t, one, join(other, ann, 1), join(other, bob, 2))
	batch := []store.Change{join(room, ann, 1), leave(other, ann, 1), join(room, bob, 2)}
	s.apply(t, one, batch...)
	now := s.apply(t, two, join(room, carl, 1), join(room, ann, 2), join(other, ann, 2))
	checkOutcomes(t, now, []bool{true, false, true}, []int{3, 3, 2})
	for range 2 {
		again := s.repeat(t, one, batch...)
		checkOutcomes(t, again, []bool{true, true, true}, []int{3, 2, 3})
		if again[0].Version != now[0].Version || again[1].Version != now[2].Version {
			t.Errorf("got versions %+v, want those of now, %+v", again, now)
		}
	}
	// Two's last batch is still two's.
	checkOutcomes(t, s.repeat(t, two, join(room, carl, 1), join(room, ann, 2), join(other, ann, 2)),
		[]bool{true, false, true}, []int{3, 3, 2})
	s.checkOccupants(t, room, "ann", "bob", "carl")
	s.checkOccupants(t, other, "ann", "bob")
	s.release(t, one)
	if _, err := s.ApplyChanges(t.Context(), one, 2, batch); !errors.Is(err, store.ErrFenced) {
		t.Errorf("repeated after the life's end: got error %v, want ErrFenced", err)
	}
}

// testRepeatedAtOnce sends a batch again while it may be under way still.
func testRepeatedAtOnce(t *testing.T, s *suite) {
	const size, rounds = 20, 10
	room, server := s.room(t, "room"), s.register(t, "s", long)
	in, out := s.crowd(t, room, size)
	for round := range 2 * rounds {
		batch, number := [][]store.Change{in, out}[round%2], s.next(server)
		answers, errs := atOnce(3, func(int) ([]store.Outcome, error) {
			return s.ApplyChanges(t.Context(), server, number, batch)
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		for _, outcomes := range answers {
			for i, o := range outcomes {
				if want := size * (1 - round%2); !o.Changed || o.Users != want {
					t.Fatalf("round %d, change %d: got %+v, want it to matter, and %d users", round, i, o, want)
				}
			}
		}
	}
	s.checkOccupants(t, room)
}

func testRepeatedSizes(t *testing.T, s *suite) {
	users, server := s.users(t, 40), s.register(t, "s", long)
	for _, size := range []int{0, 1, 7, 8, 9, 15, 16, 17, 100} {
		room := s.room(t, fmt.Sprint("room of ", size))
		batch := make([]store.Change, size)
		for i := range batch {
			batch[i] = join(room, users[i*i%len(users)], bw.ConnectionID(i))
		}
		first := s.apply(t, server, batch...)
		if again := s.repeat(t, server, batch...); !slices.Equal(again, first) {
			t.Errorf("a batch of %d: got %+v, then %+v", size, first, again)
		}
	}
}

// testNumbersThatGoBack sends what no server should.
func testNumbersThatGoBack(t *testing.T, s *suite) {
	room, ann, bob, server := s.room(t, "room"), s.user(t, "ann"), s.user(t, "bob"), s.register(t, "s", long)
	other := s.register(t, "other", long)
	s.apply(t, server, join(room, ann, 1))
	s.apply(t, server, join(room, ann, 2))
	for name, batch := range map[string]struct {
		number  int64
		changes []store.Change
	}{
		"the number before":       {1, []store.Change{join(room, ann, 1)}},
		"no number":               {0, []store.Change{join(room, bob, 1)}},
		"a number below any":      {-1, []store.Change{join(room, bob, 1)}},
		"fewer changes than then": {2, nil},
		"more changes than then":  {2, []store.Change{join(room, ann, 2), join(room, bob, 1)}},
	} {
		outcomes, err := s.ApplyChanges(t.Context(), server, batch.number, batch.changes)
		if bw.KindOf(err) != bw.Internal || errors.Is(err, store.ErrFenced) {
			t.Errorf("%s: got %+v and error %v, want it refused as %s", name, outcomes, err, bw.Internal)
		}
	}
	s.checkOccupants(t, room, "ann")
	s.apply(t, server, leave(room, ann, 1))
	s.apply(t, other, join(room, bob, 1)) // numbers of its own
	s.checkOccupants(t, room, "ann", "bob")
}
