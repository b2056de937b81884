package sqlitestore

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/sqlite"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "store.db") }

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, file(t)) })
}

func TestEverythingSurvivesReopening(t *testing.T) {
	path := file(t)
	s := open(t, path)
	user, err := s.CreateUser(t.Context(), "ann", []byte("hash"))
	room, err2 := s.CreateRoom(t.Context(), "room")
	id, err3 := s.Register(t.Context(), "s", time.Hour)
	_, err4 := s.ApplyChanges(t.Context(), id, 1, []store.Change{{Room: room.ID, User: user.ID, Connection: 1}})
	if err := errors.Join(err, err2, err3, err4, s.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if c, err := s.FindCredentials(t.Context(), "ann"); err != nil || c.User != user || string(c.PasswordHash) != "hash" {
		t.Errorf("the user: got %+v and %v, want %+v", c, err, user)
	}
	if r, err := s.FindRoom(t.Context(), room.ID); err != nil || r.Room != room || r.Users != 1 {
		t.Errorf("the room: got %+v and %v, want %+v with 1 user", r, err, room)
	}
	if err := s.Renew(t.Context(), id, time.Hour); err != nil {
		t.Errorf("the lease: %v", err)
	}
}

func TestRoomIDsEndAtTheLargest(t *testing.T) {
	s := open(t, file(t))
	err := s.db.Do(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec("INSERT INTO rooms (id, name, created_at) VALUES (?, 'last but one', 1)", int64(bw.MaxRoomID)-1)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := s.CreateRoom(t.Context(), "last"); err != nil || r.ID != bw.MaxRoomID {
		t.Errorf("got %+v and %v, want id %d", r, err, bw.MaxRoomID)
	}
	if r, err := s.CreateRoom(t.Context(), "beyond"); bw.KindOf(err) != bw.Unavailable {
		t.Errorf("got %+v and %v, want unavailable", r, err)
	}
}

func TestAClosedStoreIsUnavailable(t *testing.T) {
	s := open(t, file(t))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, create := s.CreateUser(t.Context(), "ann", nil)
	_, ensure := s.EnsureUser(t.Context(), "ann")
	_, find := s.FindRoom(t.Context(), 1)
	_, apply := s.ApplyChanges(t.Context(), store.Identity{}, 1, nil)
	for name, err := range map[string]error{
		"CreateUser": create, "EnsureUser": ensure, "FindRoom": find, "ApplyChanges": apply, "Healthy": s.Healthy(t.Context()),
	} {
		if bw.KindOf(err) != bw.Unavailable {
			t.Errorf("%s: got error %v, want unavailable", name, err)
		}
	}
}

// BenchmarkApplyChanges says what one join and its leave cost in batches.
func BenchmarkApplyChanges(b *testing.B) {
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := open(b, file(b))
			id, err := s.Register(b.Context(), "s", time.Hour)
			if err != nil {
				b.Fatal(err)
			}
			in, out := make([]store.Change, size), make([]store.Change, size)
			for i := range in {
				in[i] = store.Change{Room: bw.RoomID(i%10 + 1), User: bw.UserID(i/10 + 1), Connection: bw.ConnectionID(i)}
				out[i] = in[i]
				out[i].Leave = true
			}
			b.ReportAllocs()
			for number := int64(1); b.Loop(); number += 2 {
				_, err1 := s.ApplyChanges(b.Context(), id, number, in)
				_, err2 := s.ApplyChanges(b.Context(), id, number+1, out)
				if err := errors.Join(err1, err2); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*2*size), "µs/change")
		})
	}
}
