package live

import (
	"net"
	"sync"
	"time"
)

// streamBuffer is the size of a stream's read buffer.
const streamBuffer = 4 << 10

// streamLink is a connection that cannot be on epoll: TLS, or a system without
// it. One goroutine reads and one writes.
type streamLink struct {
	hub *Hub
	nc  net.Conn

	write1 chan struct{} // has a token when there may be something to write
	read1  chan struct{} // has a token when reading may go on
	ended  chan struct{}
	once   sync.Once // closes ended
}

func newStreamLink(h *Hub, nc net.Conn) *streamLink {
	return &streamLink{
		hub:    h,
		nc:     nc,
		write1: make(chan struct{}, 1),
		read1:  make(chan struct{}, 1),
		ended:  make(chan struct{}),
	}
}

func (l *streamLink) start(c *conn) {
	l.hub.wg.Go(func() { l.readAll(c) })
	l.hub.wg.Go(func() { l.writeAll(c) })
}

func (l *streamLink) readAll(c *conn) {
	buf := make([]byte, streamBuffer)
	for {
		for c.holds.Load() != 0 && c.isOpen() {
			select {
			case <-l.read1:
			case <-l.ended:
				return
			}
		}
		n, err := l.nc.Read(buf)
		if n > 0 {
			c.received(buf[:n])
		}
		if err != nil {
			c.end(0)
			return
		}
	}
}

func (l *streamLink) writeAll(c *conn) {
	c.flush(false)
	for {
		select {
		case <-l.write1:
			c.flush(false)
		case <-l.ended:
			return
		}
	}
}

// write blocks until all is written or the peer has taken nothing for too long.
func (l *streamLink) write(bufs [][]byte) (n int, err error) {
	for _, b := range bufs {
		if err := l.nc.SetWriteDeadline(time.Now().Add(l.hub.cfg.StallTimeout)); err != nil {
			return n, err
		}
		if l.isEnded() { // its deadline was just overwritten
			return n, net.ErrClosed
		}
		k, err := l.nc.Write(b)
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (l *streamLink) direct() bool { return false }

func (l *streamLink) nudge() {
	for _, tokens := range []chan struct{}{l.write1, l.read1} {
		select {
		case tokens <- struct{}{}:
		default:
		}
	}
}

func (l *streamLink) watch(bool, bool) { l.nudge() }

// finishWriting goes on elsewhere, as TLS writes an alert, which may block.
func (l *streamLink) finishWriting() {
	_ = l.nc.SetWriteDeadline(time.Now().Add(closeGrace))
	if half, ok := l.nc.(interface{ CloseWrite() error }); ok {
		l.hub.wg.Go(func() { _ = half.CloseWrite() })
	}
}

// abort wakes both goroutines. The deadline, unlike Close, cannot block behind a
// write that is under way; that the link has ended stands before it, for a write
// that sets its own.
func (l *streamLink) abort() {
	l.once.Do(func() { close(l.ended) })
	_ = l.nc.SetDeadline(time.Unix(1, 0))
}

func (l *streamLink) isEnded() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

func (l *streamLink) close() { _ = l.nc.Close() }
