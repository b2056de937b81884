package mysqlstore

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/mysqlstore"
)

// bothLosses runs a test of what is not answered twice: it was done, or not.
func bothLosses(t *testing.T, test func(t *testing.T, dsn string, s *mysqlstore.Store, lose func(statement string), done bool)) {
	t.Helper()
	for name, done := range map[string]bool{"not done": false, "done": true} {
		t.Run(name, func(t *testing.T) {
			dsn := database(t)
			line, through := newCable(t, dsn)
			lose := func(statement string) { line.loss.Store(&loss{statement, done}) }
			test(t, dsn, open(t, mysqlstore.Config{DSN: through}), lose, done)
			if line.loss.Load() != nil {
				t.Error("nothing was lost")
			}
		})
	}
}

// rows counts those of a table, with conditions or without.
func rows(t testing.TB, db *sql.DB, table string) int {
	t.Helper()
	return number(t, db, "SELECT count(*) FROM "+table)
}

// A batch that was not answered is not repeated by the store. Whoever sends it again
// is told what began by it, as if it had been the first time, also when others have
// entered the same rooms meanwhile.
func TestABatchThatIsNotAnswered(t *testing.T) {
	for _, statement := range []string{"INSERT INTO memberships", "INSERT INTO batches", "COMMIT"} {
		t.Run(statement, func(t *testing.T) {
			bothLosses(t, func(t *testing.T, dsn string, s *mysqlstore.Store, lose func(string), done bool) {
				const size = 100
				id, other, batch := register(t, s, "s"), register(t, s, "other"), numbers.Add(1)
				lose(statement)
				if _, err := s.ApplyChanges(t.Context(), id, batch, crowd(size, false)); bw.KindOf(err) != bw.Unavailable {
					t.Errorf("got error %v, want %s", err, bw.Unavailable)
				}
				db, want := raw(t, dsn), 0
				if done && statement == "COMMIT" {
					want = size
				}
				if n := rows(t, db, "memberships"); n != want {
					t.Errorf("not answered: got %d memberships, want %d", n, want)
				}
				if want > 0 {
					apply(t, s, other, crowd(size, false)...)
				}
				outcomes, err := s.ApplyChanges(t.Context(), id, batch, crowd(size, false))
				if err != nil {
					t.Fatal(err)
				}
				for i, o := range outcomes {
					if !o.Changed {
						t.Fatalf("change %d, sent again: got %+v, want a beginning", i, o)
					}
				}
				if n := rows(t, db, "memberships"); n != size+want {
					t.Errorf("got %d memberships, want %d", n, size+want)
				}
			})
		})
	}
}

// orphans makes some, each a presence, of a server that is dead.
func orphans(t testing.TB, s *mysqlstore.Store, server bw.ServerID, n int) {
	t.Helper()
	id, batch := register(t, s, server), make([]store.Change, n)
	for i := range batch {
		u, err := s.EnsureUser(t.Context(), bw.Name(fmt.Sprint(server, " ", i)))
		if err != nil {
			t.Fatal(err)
		}
		batch[i] = store.Change{Room: 1, User: u.ID, Connection: 1}
	}
	apply(t, s, id, batch...)
	if err := s.Release(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// Orphans go in one step with the departures that are kept, wherever a janitor
// breaks off. The next one does what is left.
func TestAJanitorThatBreaksOff(t *testing.T) {
	const size = 6
	for _, statement := range []string{
		"FROM servers", "INSERT INTO room_counts (room) VALUES", "INSERT INTO departures", "DELETE FROM memberships",
		"DELETE FROM presences", "INSERT INTO room_counts (room, users", "DELETE FROM servers", "DELETE FROM batches", "COMMIT",
	} {
		t.Run(statement, func(t *testing.T) {
			bothLosses(t, func(t *testing.T, dsn string, s *mysqlstore.Store, lose func(string), done bool) {
				orphans(t, s, "s", size)
				lose(statement)
				if b, err := s.DeleteOrphans(t.Context(), 0, 10); bw.KindOf(err) != bw.Unavailable {
					t.Errorf("got %+v and error %v, want %s", b, err, bw.Unavailable)
				}
				db, want := raw(t, dsn), 0
				if done && statement == "COMMIT" {
					want = size
				}
				gone, left := rows(t, db, "departures"), rows(t, db, "memberships")
				if gone != want || left != size-want {
					t.Errorf("broken off: got %d departures and %d memberships, want %d and %d", gone, left, want, size-want)
				}
				eventually(t, "the next one's turn", func() bool {
					if _, err := s.DeleteOrphans(t.Context(), 0, 10); err != nil {
						t.Fatal(err)
					}
					return rows(t, db, "servers") == 0
				})
				gone, left = rows(t, db, "departures"), rows(t, db, "memberships")
				if gone != size || left != 0 {
					t.Errorf("got %d departures and %d memberships, want %d and none", gone, left, size)
				}
			})
		})
	}
}

// Departures whose claim was not answered are given out when its time is over.
func TestDeparturesThatAreNotAnswered(t *testing.T) {
	const size, hold = 3, 300 * time.Millisecond
	bothLosses(t, func(t *testing.T, dsn string, s *mysqlstore.Store, lose func(string), done bool) {
		orphans(t, s, "s", size)
		if b, err := s.DeleteOrphans(t.Context(), 0, 10); err != nil || b.Removed != size {
			t.Fatalf("got %+v and error %v, want %d removed", b, err, size)
		}
		begin := time.Now()
		lose("COMMIT")
		if gone, err := s.ClaimDepartures(t.Context(), hold, 10); bw.KindOf(err) != bw.Unavailable {
			t.Errorf("got %+v and error %v, want %s", gone, err, bw.Unavailable)
		}
		var told []int64
		eventually(t, "departures that are given out again", func() bool {
			gone, err := s.ClaimDepartures(t.Context(), time.Hour, 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range gone {
				told = append(told, d.ID)
			}
			return len(told) > 0
		})
		if after := time.Since(begin); len(told) != size || done && after < hold-time.Millisecond {
			t.Errorf("got departures %v after %v, want %d, after %v if they were claimed", told, after, size, hold)
		}
		lose("DELETE FROM departures")
		if err := s.ForgetDepartures(t.Context(), told); bw.KindOf(err) != bw.Unavailable {
			t.Errorf("forget: got error %v, want %s", err, bw.Unavailable)
		}
		if err := s.ForgetDepartures(t.Context(), told); err != nil {
			t.Errorf("forget again: %v", err)
		}
		if n := rows(t, raw(t, dsn), "departures"); n != 0 {
			t.Errorf("got %d departures, want none", n)
		}
	})
}

// Whoever has made a user is not told that the name is taken, though MySQL's
// answer did not reach this host.
func TestAUserWhoseMakingIsNotAnswered(t *testing.T) {
	bothLosses(t, func(t *testing.T, _ string, s *mysqlstore.Store, lose func(string), done bool) {
		lose("INSERT INTO users")
		made, err := s.CreateUser(t.Context(), "ann", []byte("salted"))
		if !done && bw.KindOf(err) != bw.Unavailable || done && err != nil {
			t.Errorf("got %+v and error %v, done %v", made, err, done)
		}
		if !done {
			made, err = s.CreateUser(t.Context(), "ann", []byte("salted"))
		}
		c, findErr := s.FindCredentials(t.Context(), "ann")
		if err != nil || findErr != nil || c.User != made {
			t.Errorf("got %+v and error %v, found %+v and error %v", made, err, c, findErr)
		}
		lose("INSERT INTO users")
		if other, err := s.CreateUser(t.Context(), "ann", []byte("other")); bw.KindOf(err) != bw.Unavailable {
			t.Errorf("another of that name: got %+v and error %v, want %s", other, err, bw.Unavailable)
		}
	})
}

// What is made without a password is not known as one's own. It is there or not,
// and only once.
func TestNamesWhoseMakingIsNotAnswered(t *testing.T) {
	bothLosses(t, func(t *testing.T, _ string, s *mysqlstore.Store, lose func(string), done bool) {
		lose("INSERT INTO users")
		if u, err := s.EnsureUser(t.Context(), "ann"); bw.KindOf(err) != bw.Unavailable {
			t.Errorf("ensure: got %+v and error %v, want %s", u, err, bw.Unavailable)
		}
		if u, err := s.EnsureUser(t.Context(), "ann"); err != nil || u.Name != "ann" {
			t.Errorf("ensure again: got %+v and error %v", u, err)
		}
		want := bw.Kind("")
		if done {
			want = bw.NameTaken
		}
		lose("INSERT INTO rooms")
		if r, err := s.CreateRoom(t.Context(), "room"); bw.KindOf(err) != bw.Unavailable {
			t.Errorf("create a room: got %+v and error %v, want %s", r, err, bw.Unavailable)
		}
		if r, err := s.CreateRoom(t.Context(), "room"); bw.KindOf(err) != want {
			t.Errorf("create it again: got %+v and error %v, want %q", r, err, want)
		}
		if rooms, err := s.ListRooms(t.Context(), 0, 10); err != nil || len(rooms) != 1 {
			t.Errorf("got rooms %+v and error %v, want one", rooms, err)
		}
	})
}
