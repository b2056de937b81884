package mysqlstore

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sync/errgroup"

	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/mysqlstore"
)

// cable is the network between a host and MySQL.
type cable struct {
	net.Listener
	target string
	ends   sync.WaitGroup
	// frozen is locked while nothing goes through, not even the end of a connection.
	frozen sync.RWMutex
}

// newCable returns one with the DSN that leads through it.
func newCable(t *testing.T, dsn string) (*cable, string) {
	t.Helper()
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{target: config.Addr}
	if c.Listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	c.ends.Go(c.accept)
	t.Cleanup(func() {
		c.Close()
		c.ends.Wait()
	})
	config.Addr = c.Addr().String()
	return c, config.FormatDSN()
}

func (c *cable) accept() {
	for {
		near, err := c.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.target) //nolint:noctx // to this machine
		if err != nil {
			near.Close()
			continue
		}
		c.ends.Go(func() { c.carry(near, far) })
		c.ends.Go(func() { c.carry(far, near) })
	}
}

func (c *cable) carry(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		c.frozen.RLock()
		_, failed := to.Write(buffer[:n])
		if errors.Join(err, failed) != nil {
			to.Close()
			from.Close()
		}
		c.frozen.RUnlock()
		if errors.Join(err, failed) != nil {
			return
		}
	}
}

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
		_, err := far.ApplyChanges(t.Context(), farID, []store.Change{{Room: 1, User: 2, Connection: 2}})
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
		_, err := near.ApplyChanges(t.Context(), nearID, []store.Change{{Room: 1, User: 3, Connection: 3}})
		if err != nil {
			refused++
		}
		return err == nil
	})
	if took := time.Since(start); took > 30*time.Second || took < time.Second {
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
