package live

import (
	"net"
	"testing"
	"time"
)

// hookedConn calls a hook when a write deadline is set.
type hookedConn struct {
	net.Conn
	onDeadline func()
	deadline   time.Time
	written    int
}

func (c *hookedConn) SetWriteDeadline(t time.Time) error {
	if hook := c.onDeadline; hook != nil {
		c.onDeadline = nil
		hook()
	}
	c.deadline = t
	return nil
}

func (c *hookedConn) SetDeadline(t time.Time) error {
	c.deadline = t
	return nil
}

func (c *hookedConn) Write(b []byte) (int, error) {
	c.written += len(b)
	return len(b), nil
}

// TestAnAbortedStreamIsNotWrittenTo: an abort that comes just before a write
// sets its deadline is not lost with the deadline that it had set.
func TestAnAbortedStreamIsNotWrittenTo(t *testing.T) {
	nc := &hookedConn{}
	l := newStreamLink(&Hub{cfg: DefaultConfig()}, nc)
	nc.onDeadline = l.abort
	if n, err := l.write([][]byte{[]byte("frame")}); n != 0 || err == nil || nc.written != 0 {
		t.Errorf("got %d bytes written and error %v, want none and one", nc.written, err)
	}
}
