package storetest

import (
	"errors"
	"slices"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

func testFirstAndLast(t *testing.T, s *suite) {
	room, other := s.room(t, "room"), s.room(t, "other")
	ann, bob := s.user(t, "ann"), s.user(t, "bob")
	one, two := s.register(t, "one", long), s.register(t, "two", long)
	for i, step := range []struct {
		server  store.Identity
		change  store.Change
		changed bool
		users   int
	}{
		{one, join(room, ann, 1), true, 1},
		{one, join(room, ann, 2), false, 1},
		{two, join(room, ann, 1), false, 1}, // another server's connection 1
		{two, join(room, bob, 2), true, 2},
		{one, join(other, ann, 1), true, 1}, // rooms do not know each other
		{one, leave(room, ann, 1), false, 2},
		{one, leave(room, ann, 2), false, 2},
		{two, leave(room, ann, 1), true, 1},
		{two, leave(room, bob, 2), true, 0},
		{two, join(room, ann, 1), true, 1},
	} {
		got := s.apply(t, step.server, step.change)[0]
		if got.Changed != step.changed || got.Users != step.users {
			t.Errorf("step %d: got %+v, want changed %v and %d users", i, got, step.changed, step.users)
		}
	}
	s.checkOccupants(t, room, "ann")
	s.checkOccupants(t, other, "ann")
}

func testRepeatedChanges(t *testing.T, s *suite) {
	room, ann, server := s.room(t, "room"), s.user(t, "ann"), s.register(t, "s", long)
	checkOutcomes(t, s.apply(t, server, leave(room, ann, 1)), []bool{false}, []int{0})
	first := s.apply(t, server, join(room, ann, 1))
	checkOutcomes(t, first, []bool{true}, []int{1})
	again := s.apply(t, server, join(room, ann, 1), join(room, ann, 1))
	checkOutcomes(t, again, []bool{false, false}, []int{1, 1})
	if again[0].Version != first[0].Version {
		t.Errorf("a batch that changed nothing has version %d, want %d", again[0].Version, first[0].Version)
	}
	last := s.apply(t, server, leave(room, ann, 1), leave(room, ann, 1))
	checkOutcomes(t, last, []bool{true, false}, []int{0, 0})
	if last[0].Version <= first[0].Version || last[1].Version != last[0].Version {
		t.Errorf("got versions %d and %d after %d, want one larger", last[0].Version, last[1].Version, first[0].Version)
	}
	s.checkOccupants(t, room)
}

func testOrderWithinBatch(t *testing.T, s *suite) {
	room, ann, server := s.room(t, "room"), s.user(t, "ann"), s.register(t, "s", long)
	out := s.apply(t, server,
		join(room, ann, 1), leave(room, ann, 1), leave(room, ann, 1), join(room, ann, 2), join(room, ann, 1), leave(room, ann, 2))
	checkOutcomes(t, out, []bool{true, true, false, true, false, false}, []int{1, 1, 1, 1, 1, 1})
	s.checkOccupants(t, room, "ann")
	out = s.apply(t, server, leave(room, ann, 1), join(room, ann, 1), leave(room, ann, 1))
	checkOutcomes(t, out, []bool{true, true, true}, []int{0, 0, 0})
	s.checkOccupants(t, room)
}

func testEmptyBatch(t *testing.T, s *suite) {
	server := s.register(t, "s", long)
	s.apply(t, server)
	if _, err := s.ApplyChanges(t.Context(), store.Identity{Server: "s", Incarnation: server.Incarnation + 1}, 1, nil); !errors.Is(err, store.ErrFenced) {
		t.Errorf("an empty batch of no incarnation: got error %v, want ErrFenced", err)
	}
}

func testLargeBatch(t *testing.T, s *suite) {
	const perRoom, rooms = 333, 3
	users, server := s.users(t, perRoom), s.register(t, "s", long)
	var in, out []store.Change
	var list []bw.RoomID
	for _, name := range []string{"a", "b", "c"} {
		list = append(list, s.room(t, name))
	}
	for i, u := range users {
		for _, room := range list {
			c := bw.ConnectionID(i + 1)
			in, out = append(in, join(room, u, c), join(room, u, -c)), append(out, leave(room, u, c), leave(room, u, -c))
		}
	}
	for i, o := range s.apply(t, server, in...) {
		if o.Changed != (i%2 == 0) || o.Users != perRoom {
			t.Fatalf("join %d: got %+v", i, o)
		}
	}
	for _, room := range list {
		if got := len(s.occupants(t, room)); got != perRoom {
			t.Errorf("room %d: got %d users, want %d", room, got, perRoom)
		}
	}
	for i, o := range s.apply(t, server, out...) {
		if o.Changed != (i%2 == 1) || o.Users != 0 {
			t.Fatalf("leave %d: got %+v", i, o)
		}
	}
	s.checkOccupants(t, list[0])
}

func testOccupants(t *testing.T, s *suite) {
	room, users, server := s.room(t, "room"), s.users(t, 10), s.register(t, "s", long)
	if o, err := s.ListOccupants(t.Context(), room, 0, 5); err != nil || o.Count != 0 || len(o.Users) != 0 {
		t.Errorf("an empty room: got %+v and %v", o, err)
	}
	if o, err := s.ListOccupants(t.Context(), room+1000, 0, 5); err != nil || o.Count != 0 || len(o.Users) != 0 {
		t.Errorf("a room that is none: got %+v and %v", o, err)
	}
	for i := range users { // entered in another order than that of the ids
		s.apply(t, server, join(room, users[(i*7+3)%10], 1))
	}
	var got []bw.User
	for after := bw.UserID(0); ; after = got[len(got)-1].ID {
		o, err := s.ListOccupants(t.Context(), room, after, 4)
		if err != nil || o.Count != 10 || len(o.Users) > 4 {
			t.Fatalf("ListOccupants after %d: got %+v and %v", after, o, err)
		}
		if len(o.Users) == 0 {
			break
		}
		for _, u := range o.Users {
			if u.JoinedAt < users[0].CreatedAt {
				t.Errorf("%q joined at %d, before he was made", u.Name, u.JoinedAt)
			}
			got = append(got, u.User)
		}
	}
	if !slices.Equal(got, users) {
		t.Errorf("got %v, want %v", got, users)
	}
	before, _ := s.ListOccupants(t.Context(), room, 0, 1)
	s.apply(t, server, join(room, users[0], 2), leave(room, users[0], 1))
	after, _ := s.ListOccupants(t.Context(), room, 0, 1)
	if before.Users[0] != after.Users[0] {
		t.Errorf("another connection moved the beginning from %+v to %+v", before.Users[0], after.Users[0])
	}
}
