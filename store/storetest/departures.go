package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// depart lets users enter a room of a server that dies, and be buried.
func (s *suite) depart(t tester, room bw.RoomID, users ...bw.User) {
	t.Helper()
	id := s.register(t, "dying", long)
	for i, u := range users {
		s.apply(t, id, join(room, u, bw.ConnectionID(i)))
	}
	s.release(t, id)
	s.bury(t, 0, 100)
}

// testDeparturesAtOnce lets many callers claim: each departure is one's.
func testDeparturesAtOnce(t *testing.T, s *suite) {
	const crowd, callers = 60, 5
	room, users, want := s.room(t, "room"), s.users(t, crowd), make(map[bw.Name]int)
	for _, u := range users {
		want[u.Name] = 1
	}
	s.depart(t, room, users...)
	claimed, errs := atOnce(callers, func(int) (all []store.Departure, err error) {
		for {
			some, err := s.ClaimDepartures(t.Context(), long, 4)
			if err != nil || len(some) == 0 {
				return all, err
			}
			all = append(all, some...)
		}
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	checkLeft(t, slices.Concat(claimed...), want)
}

// testDeparturesAgain lets who has claimed departures die before he has told them.
func testDeparturesAgain(t *testing.T, s *suite) {
	const hold = 2 * time.Second
	room, users := s.room(t, "room"), s.users(t, 3)
	s.depart(t, room, users...)
	begin := time.Now()
	first, err := s.ClaimDepartures(t.Context(), hold, 2)
	if err != nil || len(first) != 2 || first[0].ID >= first[1].ID {
		t.Fatalf("got departures %+v and error %v, want two, the oldest first", first, err)
	}
	third := s.claim(t, 2)
	if len(third) != 1 || third[0].ID <= first[1].ID {
		t.Fatalf("got departures %+v, want the one behind %+v", third, first)
	}
	var again []store.Departure
	eventually(t, "departures that are given out again", func() bool {
		again = s.claim(t, 2)
		return len(again) > 0
	})
	if after := time.Since(begin); after < hold-2*time.Millisecond {
		t.Errorf("given out again after %v, want %v", after, hold)
	}
	if !slices.Equal(again, first) {
		t.Errorf("got departures %+v, want %+v again", again, first)
	}
}

// testBackBeforeTold lets users come back after the janitor came and before they
// were told of.
func testBackBeforeTold(t *testing.T, s *suite) {
	const crowd = 10
	room, other, users := s.room(t, "room"), s.room(t, "other"), s.users(t, crowd)
	s.depart(t, room, users...)
	living := s.register(t, "living", long)
	for i, u := range users[1:] {
		checkOutcomes(t, s.apply(t, living, join(room, u, 1)), []bool{true}, []int{i + 1})
	}
	s.apply(t, living, join(other, users[0], 1)) // in another room one is not back
	gone := s.claim(t, 2)
	if len(gone) != 1 || gone[0].User != users[0].Name {
		t.Errorf("got departures %+v, want that of %q", gone, users[0].Name)
	}
	// They are forgotten: who leaves now is not told of twice.
	for i, u := range users[1:] {
		checkOutcomes(t, s.apply(t, living, leave(room, u, 1)), []bool{true}, []int{crowd - 2 - i})
	}
	if gone := s.claim(t, 10); len(gone) != 0 {
		t.Errorf("got departures %+v, want none", gone)
	}
}

func testForgetDepartures(t *testing.T, s *suite) {
	room, users := s.room(t, "room"), s.users(t, 4)
	s.depart(t, room, users...)
	gone, err := s.ClaimDepartures(t.Context(), 0, 10)
	if err != nil || len(gone) != len(users) {
		t.Fatalf("got departures %+v and error %v, want %d", gone, err, len(users))
	}
	if last := gone[len(gone)-1]; last.Room != room || last.Users != 0 || last.Version == 0 {
		t.Errorf("the last departure: got %+v, want nobody left in room %d", last, room)
	}
	for _, ids := range [][]int64{{gone[0].ID, gone[2].ID}, {gone[2].ID, gone[3].ID}, {gone[0].ID}, {1 << 50}, nil} {
		if err := s.ForgetDepartures(t.Context(), ids); err != nil {
			t.Errorf("ForgetDepartures(%v): %v", ids, err)
		}
	}
	// What was claimed for no time is given out again at once.
	if got := s.claim(t, 10); !slices.Equal(got, gone[1:2]) {
		t.Errorf("got departures %+v, want %+v, which was not forgotten", got, gone[1:2])
	}
	s.depart(t, room, users[0])
	if got := s.claim(t, 10); len(got) != 1 || got[0].ID <= gone[3].ID {
		t.Errorf("got departures %+v, want one whose id is above %d", got, gone[3].ID)
	}
}
