package mysqlstore

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// cable is the network between a host and MySQL.
type cable struct {
	net.Listener
	target string
	ends   sync.WaitGroup
	// frozen is locked while nothing goes through, not even the end of a connection.
	frozen sync.RWMutex
	// loss comes upon the next connection that carries its statement; nil is none.
	loss atomic.Pointer[loss]
}

// loss breaks a connection at a statement: MySQL never gets it, or, where done is
// set, has done it, and the answer is what is lost.
type loss struct {
	statement string
	done      bool
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
		var deaf atomic.Bool // the host gets no answer any more
		c.ends.Go(func() {
			c.carry(near, far, func(sent []byte) bool {
				l := c.loss.Load()
				if l == nil || !bytes.Contains(sent, []byte(l.statement)) || !c.loss.CompareAndSwap(l, nil) {
					return true
				}
				deaf.Store(l.done)
				return l.done
			})
		})
		c.ends.Go(func() { c.carry(far, near, func([]byte) bool { return !deaf.Load() }) })
	}
}

// carry passes on what may pass; the rest ends the connection.
func (c *cable) carry(from, to net.Conn, passes func([]byte) bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		c.frozen.RLock()
		if passes(buffer[:n]) {
			_, failed := to.Write(buffer[:n])
			err = errors.Join(err, failed)
		} else {
			err = net.ErrClosed
		}
		if err != nil {
			to.Close()
			from.Close()
		}
		c.frozen.RUnlock()
		if err != nil {
			return
		}
	}
}
