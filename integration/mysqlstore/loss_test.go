package mysqlstore

import (
	"testing"

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

// A batch that was not answered is not repeated by the store, which would answer
// that nothing began by it. Whoever repeats it is told the truth about now.
func TestABatchThatIsNotAnswered(t *testing.T) {
	bothLosses(t, func(t *testing.T, dsn string, s *mysqlstore.Store, lose func(string), done bool) {
		const size = 100
		id := register(t, s, "s")
		lose("COMMIT")
		if _, err := s.ApplyChanges(t.Context(), id, crowd(size, false)); bw.KindOf(err) != bw.Unavailable {
			t.Errorf("got error %v, want %s", err, bw.Unavailable)
		}
		want := size
		if done {
			want = 0
		}
		began := 0
		for _, o := range apply(t, s, id, crowd(size, false)...) {
			if o.Changed {
				began++
			}
		}
		if began != want {
			t.Errorf("repeated: got %d presences that began, want %d", began, want)
		}
		if n := number(t, raw(t, dsn), "SELECT count(*) FROM memberships"); n != size {
			t.Errorf("got %d memberships, want %d", n, size)
		}
	})
}

// Departures that were not told are told by the next call, or by none.
func TestDeparturesThatAreNotAnswered(t *testing.T) {
	bothLosses(t, func(t *testing.T, dsn string, s *mysqlstore.Store, lose func(string), done bool) {
		id := register(t, s, "s")
		apply(t, s, id, store.Change{Room: 1, User: 1, Connection: 1}, store.Change{Room: 2, User: 1, Connection: 1})
		if err := s.Release(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		lose("COMMIT")
		if _, _, err := s.DeleteOrphans(t.Context(), 10); bw.KindOf(err) != bw.Unavailable {
			t.Errorf("got error %v, want %s", err, bw.Unavailable)
		}
		want := 2
		if done {
			want = 0
		}
		departures, more, err := s.DeleteOrphans(t.Context(), 10)
		if err != nil || more || len(departures) != want {
			t.Errorf("got departures %+v, more %v and error %v, want %d", departures, more, err, want)
		}
		if n := number(t, raw(t, dsn), "SELECT count(*) FROM memberships"); n != 0 {
			t.Errorf("got %d memberships, want none", n)
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
