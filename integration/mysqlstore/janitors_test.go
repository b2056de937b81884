package mysqlstore

import (
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/store/mysqlstore"
)

// A janitor stands still over one dead server. The others do not wait for him: they
// bury the rest, say that nothing is left that they could do, and do that server too
// as soon as MySQL has taken it from him.
func TestNobodyWaitsForAJanitor(t *testing.T) {
	dsn := database(t)
	s := open(t, mysqlstore.Config{DSN: dsn})
	orphans(t, s, "his", 3)
	orphans(t, s, "free", 2)
	db := raw(t, dsn)
	janitor, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = janitor.Rollback() }()
	execute(t, janitor, "SELECT * FROM servers WHERE id = 'his' FOR UPDATE")
	for _, want := range []int{2, 0} {
		// Who waited for him would be told in the end that it was in vain.
		if b, err := s.DeleteOrphans(t.Context(), 0, 10); err != nil || b.Removed != want || b.More {
			t.Errorf("got %+v and error %v, want %d removed and no more", b, err, want)
		}
	}
	if n := rows(t, db, "servers"); n != 1 {
		t.Errorf("got %d servers, want the one that he has", n)
	}
	if err := janitor.Rollback(); err != nil {
		t.Fatal(err)
	}
	if b, err := s.DeleteOrphans(t.Context(), 0, 10); err != nil || b.Removed != 3 || b.More {
		t.Errorf("after him: got %+v and error %v, want 3 removed", b, err)
	}
}

// Nor does anybody wait for who claims departures: he takes the others.
func TestNobodyWaitsForAClaim(t *testing.T) {
	dsn := database(t)
	s := open(t, mysqlstore.Config{DSN: dsn})
	orphans(t, s, "s", 5)
	if _, err := s.DeleteOrphans(t.Context(), 0, 10); err != nil {
		t.Fatal(err)
	}
	other, err := raw(t, dsn).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Rollback() }()
	execute(t, other, "SELECT * FROM departures ORDER BY id LIMIT 2 FOR UPDATE")
	if gone, err := s.ClaimDepartures(t.Context(), time.Hour, 10); err != nil || len(gone) != 3 {
		t.Errorf("got %+v and error %v, want 3", gone, err)
	}
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	if gone, err := s.ClaimDepartures(t.Context(), time.Hour, 10); err != nil || len(gone) != 2 {
		t.Errorf("after him: got %+v and error %v, want 2", gone, err)
	}
}

// A cluster goes on while its schema is brought forward: what the program before
// has left is buried by this one.
func TestTheDeadOfTheSchemaBefore(t *testing.T) {
	cfg := mysqlstore.Config{DSN: database(t)}
	db := raw(t, cfg.DSN)
	execute(t, db, "DELETE FROM goose_db_version WHERE version_id > 1")
	execute(t, db, "DROP TABLE batches")
	// The departures' table of a step that was broken off is there.
	execute(t, db, "INSERT INTO users (id, name, created_at) VALUES (1, 'ann', 1)")
	execute(t, db, "INSERT INTO servers (incarnation, id, lease_until, state) VALUES (1, 's', 1000, 'dead'), (2, 'z', 1000, 'live')")
	execute(t, db, "INSERT INTO memberships VALUES (1, 1, 1, 1)")
	execute(t, db, "INSERT INTO presences VALUES (1, 1, 1, 1)")
	execute(t, db, "INSERT INTO room_counts VALUES (1, 1, 1)")
	if err := mysqlstore.Migrate(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	s := open(t, cfg)
	if b, err := s.DeleteOrphans(t.Context(), time.Minute, 10); err != nil || b.Removed != 1 {
		t.Errorf("got %+v and error %v, want ann's membership removed", b, err)
	}
	if gone, err := s.ClaimDepartures(t.Context(), time.Minute, 10); err != nil || len(gone) != 1 || gone[0].User != "ann" || gone[0].Users != 0 {
		t.Errorf("got departures %+v and error %v, want ann's", gone, err)
	}
	if n := rows(t, db, "servers"); n != 1 {
		t.Errorf("got %d servers, want the one that lives", n)
	}
}
