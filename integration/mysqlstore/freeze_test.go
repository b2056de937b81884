package mysqlstore

import (
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/mysqlstore"
)

// A host is frozen in the middle of a transaction, while it has locked a room.
// The others can use the room again before a minute is over.
func TestAFrozenHostLetsGoOfItsRooms(t *testing.T) {
	dsn := database(t)
	near := open(t, mysqlstore.Config{DSN: dsn})
	line, through := newCable(t, dsn)
	far := open(t, mysqlstore.Config{DSN: through})
	nearID, farID := register(t, near, "near"), register(t, far, "far")
	apply(t, near, nearID, store.Change{Room: 1, User: 1, Connection: 1})

	db := raw(t, dsn)
	gate, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = gate.Rollback() }()
	execute(t, gate, "SELECT * FROM room_counts WHERE room = 1 FOR UPDATE")
	var host errgroup.Group
	host.Go(func() error {
		_, err := far.ApplyChanges(t.Context(), farID, numbers.Add(1), []store.Change{{Room: 1, User: 2, Connection: 2}})
		return err
	})
	eventually(t, "the host waits for the room", func() bool { return lockWaits(t, db) > 0 })
	line.frozen.Lock()
	frozen := true
	defer func() {
		if frozen {
			line.frozen.Unlock()
		}
	}()
	if err := gate.Rollback(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the host has the room", func() bool { return lockWaits(t, db) == 0 })
	start, refused := time.Now(), 0
	eventually(t, "a change in the room", func() bool {
		_, err := near.ApplyChanges(t.Context(), nearID, numbers.Add(1), []store.Change{{Room: 1, User: 3, Connection: 3}})
		if err != nil {
			refused++
		}
		return err == nil
	})
	if took := time.Since(start); took < time.Second {
		t.Errorf("the room was locked for %v, %d calls were refused, want some seconds", took, refused)
	}
	line.frozen.Unlock()
	frozen = false
	if err := host.Wait(); err == nil {
		t.Error("the frozen host: got no error, want that it knows of no answer")
	}
	if n := number(t, db, "SELECT count(*) FROM memberships WHERE user = 2"); n != 0 {
		t.Errorf("got %d memberships of what was never committed", n)
	}
}
