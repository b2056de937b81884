package storetest

import (
	"fmt"
	"slices"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

func testRooms(t *testing.T, s *suite) {
	var last bw.RoomID
	rooms := make(map[bw.RoomID]bw.Room)
	for _, name := range distinctNames() {
		r, err := s.CreateRoom(t.Context(), name)
		if err != nil || r.Name != name || r.CreatedAt <= 0 {
			t.Fatalf("CreateRoom(%q): got %+v and %v", name, r, err)
		}
		if r.ID <= last || r.ID > bw.MaxRoomID {
			t.Errorf("CreateRoom(%q): got id %d after %d", name, r.ID, last)
		}
		last = r.ID
		rooms[r.ID] = r
		_, err = s.CreateRoom(t.Context(), name)
		checkKind(t, "CreateRoom again", err, bw.NameTaken)
	}
	for id, want := range rooms {
		if got, err := s.FindRoom(t.Context(), id); err != nil || got != (store.RoomCount{Room: want}) {
			t.Errorf("FindRoom(%d): got %+v and %v, want %+v without users", id, got, err, want)
		}
	}
	for _, id := range []bw.RoomID{0, -1, last + 1000, bw.MaxRoomID, 1 << 40} {
		_, err := s.FindRoom(t.Context(), id)
		checkKind(t, fmt.Sprintf("FindRoom(%d)", id), err, bw.NoSuchRoom)
	}
}

func testCreateRoomRace(t *testing.T, s *suite) {
	for round := range 5 {
		_, errs := atOnce(racers, func(int) (bw.Room, error) {
			return s.CreateRoom(t.Context(), bw.Name(fmt.Sprint("race ", round)))
		})
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				checkKind(t, "a loser", err, bw.NameTaken)
			}
		}
		if won != 1 {
			t.Errorf("%d callers created the room, want 1", won)
		}
	}
}

func testRoomPages(t *testing.T, s *suite) {
	if list, err := s.ListRooms(t.Context(), 0, 10); err != nil || len(list) != 0 {
		t.Errorf("ListRooms of none: got %v and %v", list, err)
	}
	var ids []bw.RoomID
	for i := range 10 {
		ids = append(ids, s.room(t, fmt.Sprint("room ", i)))
	}
	ann, server := s.user(t, "ann"), s.register(t, "s", long)
	s.apply(t, server, join(ids[3], ann, 1), join(ids[3], s.user(t, "bob"), 2), join(ids[4], ann, 1))
	var got []bw.RoomID
	users := make(map[bw.RoomID]int)
	for after, pages := bw.RoomID(0), 0; pages < 10; pages++ {
		list, err := s.ListRooms(t.Context(), after, 4)
		if err != nil || len(list) > 4 {
			t.Fatalf("ListRooms after %d: got %d rooms and %v", after, len(list), err)
		}
		if len(list) == 0 {
			break
		}
		for _, r := range list {
			got = append(got, r.ID)
			users[r.ID] = r.Users
			after = r.ID
		}
	}
	if !slices.Equal(got, ids) {
		t.Errorf("got rooms %v, want %v", got, ids)
	}
	if users[ids[3]] != 2 || users[ids[4]] != 1 || users[ids[5]] != 0 {
		t.Errorf("got users %v, want 2 in room %d and 1 in room %d", users, ids[3], ids[4])
	}
	if list, err := s.ListRooms(t.Context(), ids[9], 4); err != nil || len(list) != 0 {
		t.Errorf("ListRooms after the last: got %v and %v", list, err)
	}
}
