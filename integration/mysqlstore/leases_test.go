package mysqlstore

import (
	"errors"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/mysqlstore"
)

// Two hosts of one name, or one that begins again before its former process has
// ended: whoever comes last lives, and he alone.
func TestOneLifeAServer(t *testing.T) {
	dsn := database(t)
	s := open(t, mysqlstore.Config{DSN: dsn})
	for range 10 {
		var hosts errgroup.Group
		for range 4 {
			hosts.Go(func() error {
				_, err := s.Register(t.Context(), "s", time.Hour)
				return err
			})
		}
		if err := hosts.Wait(); err != nil {
			t.Fatal(err)
		}
		if n := number(t, raw(t, dsn), "SELECT count(*) FROM servers WHERE state = 'live'"); n != 1 {
			t.Fatalf("got %d lives, want 1", n)
		}
	}
}

// A server that works without a pause, but has not renewed its lease, dies soon.
func TestABusyServersLeaseEnds(t *testing.T) {
	s := open(t, mysqlstore.Config{DSN: database(t)})
	id := register(t, s, "busy")
	quit := make(chan struct{})
	var workers sync.WaitGroup
	defer func() { close(quit); workers.Wait() }()
	for i := range bw.RoomID(8) {
		workers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-quit:
					return
				default:
				}
				batch := []store.Change{{Room: i + 1, User: 1, Connection: 1, Leave: n%2 == 1}}
				_, err := s.ApplyChanges(t.Context(), id, numbers.Add(1), batch)
				if err != nil && !errors.Is(err, &bw.Error{Kind: bw.Internal}) { // another one's was first
					return // it is dead, or the test is over
				}
			}
		})
	}
	<-time.After(100 * time.Millisecond)
	if err := s.Renew(t.Context(), id, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	<-time.After(50 * time.Millisecond)
	dead, err := s.ExpireLeases(t.Context())
	if err != nil || len(dead) != 1 || dead[0] != id {
		t.Errorf("got %v and error %v, want %v declared dead", dead, err, id)
	}
}

// A life that was found alive by a batch ends after the batch, or the batch would
// leave what nobody removes.
func TestALifeDoesNotEndWithinABatch(t *testing.T) {
	dsn := database(t)
	s := open(t, mysqlstore.Config{DSN: dsn})
	id := register(t, s, "s")
	db := raw(t, dsn)
	gate, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = gate.Rollback() }()
	// The batch waits where it writes, after it has looked.
	execute(t, gate, "INSERT INTO memberships VALUES (1, 1, ?, 1)", int64(id.Incarnation))
	var both errgroup.Group
	both.Go(func() error {
		_, err := s.ApplyChanges(t.Context(), id, numbers.Add(1), []store.Change{{Room: 1, User: 1, Connection: 1}})
		return err
	})
	eventually(t, "the batch waits", func() bool { return lockWaits(t, db) == 1 })
	both.Go(func() error { return s.Release(t.Context(), id) })
	eventually(t, "the end waits for the batch", func() bool { return lockWaits(t, db) == 2 })
	if err := gate.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := both.Wait(); err != nil {
		t.Errorf("got error %v, want first the batch and then the end", err)
	}
}

// Renewals of one millisecond write what is there already; none is refused for it.
func TestARenewalThatChangesNothing(t *testing.T) {
	s := open(t, mysqlstore.Config{DSN: database(t)})
	id := register(t, s, "s")
	for range 5 {
		var renewals errgroup.Group
		for range 24 {
			renewals.Go(func() error { return s.Renew(t.Context(), id, time.Hour) })
		}
		if err := renewals.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

// What a dead server leaves goes with it, to the last row.
func TestNothingStaysOfTheDead(t *testing.T) {
	dsn := database(t)
	s := open(t, mysqlstore.Config{DSN: dsn})
	for _, name := range []bw.ServerID{"a", "b", "c"} {
		id := register(t, s, name)
		apply(t, s, id, crowd(100, false)...)
		if err := s.Release(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for more := true; more; {
		b, err := s.DeleteOrphans(t.Context(), 0, 70)
		if err != nil {
			t.Fatal(err)
		}
		more = b.More
	}
	db := raw(t, dsn)
	for _, table := range []string{"servers", "memberships", "presences", "batches"} {
		if n := number(t, db, "SELECT count(*) FROM "+table); n != 0 {
			t.Errorf("got %d rows of %s, want none", n, table)
		}
	}
}
