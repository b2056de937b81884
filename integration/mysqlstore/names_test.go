package mysqlstore

import (
	"strings"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store/mysqlstore"
)

func TestNamesAreTheirBytes(t *testing.T) {
	s := open(t, mysqlstore.Config{DSN: database(t)})
	names := []bw.Name{
		"Ann", "ann", "ANN", "\u00e9", "e", "E", "ß", "ss", "🙂", "🙃", "ａ", "a", "a\u00a0b", "a b", "a  b", `a\b`, "a'b", "a%", "a_",
		bw.Name(strings.Repeat("🙂", 64)), bw.Name(strings.Repeat("🙂", 63) + "🙃"), "I", "ı", "İ", "i",
	}
	users, rooms := make(map[bw.UserID]bool), make(map[bw.RoomID]bool)
	for _, name := range names {
		u, err := s.CreateUser(t.Context(), name, nil)
		if err != nil || u.Name != name || users[u.ID] {
			t.Errorf("user %q: got %+v and error %v", name, u, err)
		}
		users[u.ID] = true
		r, err := s.CreateRoom(t.Context(), name)
		if err != nil || r.Name != name || rooms[r.ID] {
			t.Errorf("room %q: got %+v and error %v", name, r, err)
		}
		rooms[r.ID] = true
		if again, err := s.EnsureUser(t.Context(), name); err != nil || again != u {
			t.Errorf("ensure %q: got %+v and error %v, want %+v", name, again, err, u)
		}
		if found, err := s.FindRoom(t.Context(), r.ID); err != nil || found.Room != r {
			t.Errorf("find %q: got %+v and error %v, want %+v", name, found, err, r)
		}
	}
	for _, other := range []bw.Name{"\u00c9", "b", "ann ", "aNN"} {
		if _, err := s.FindCredentials(t.Context(), other); bw.KindOf(err) != bw.BadCredentials {
			t.Errorf("%q: got error %v, want %s", other, err, bw.BadCredentials)
		}
	}
}

// Rooms have 2^31 ids, and whoever may create rooms may try names in a loop.
func TestTakenNamesUseNoIDs(t *testing.T) {
	s := open(t, mysqlstore.Config{DSN: database(t)})
	first, err := s.CreateRoom(t.Context(), "taken")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if _, err := s.CreateRoom(t.Context(), "taken"); bw.KindOf(err) != bw.NameTaken {
			t.Fatalf("got error %v, want %s", err, bw.NameTaken)
		}
	}
	if next, err := s.CreateRoom(t.Context(), "next"); err != nil || next.ID != first.ID+1 {
		t.Errorf("got room %+v and error %v, want id %d", next, err, first.ID+1)
	}
}

func TestRoomIDsEndAtTheLargest(t *testing.T) {
	dsn := database(t)
	s := open(t, mysqlstore.Config{DSN: dsn})
	execute(t, raw(t, dsn), "INSERT INTO rooms (id, name, created_at) VALUES (?, 'last but one', 1)", int64(bw.MaxRoomID)-1)
	if r, err := s.CreateRoom(t.Context(), "last"); err != nil || r.ID != bw.MaxRoomID {
		t.Errorf("got %+v and %v, want id %d", r, err, bw.MaxRoomID)
	}
	if r, err := s.CreateRoom(t.Context(), "beyond"); bw.KindOf(err) != bw.Unavailable {
		t.Errorf("got %+v and %v, want unavailable", r, err)
	}
	if r, err := s.CreateRoom(t.Context(), "last"); bw.KindOf(err) != bw.NameTaken {
		t.Errorf("got %+v and %v, want %s", r, err, bw.NameTaken)
	}
}
