package live

import (
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller is the epoll loops that read plain connections and tell when one that
// took no more takes more again.
type poller struct {
	loops []*loop
	wg    sync.WaitGroup
}

// loop is one epoll instance. It waits inside Go's own poller, so that it
// blocks no thread.
type loop struct {
	hub  *Hub
	fd   int
	file *os.File // owns fd
}

// Sizes of a loop's shared buffers. A read is what one connection gets of the
// loop before the others have their turn, so it is no longer than a long message.
const (
	readBuffer = 16 << 10
	maxEvents  = 256
)

func newPoller(h *Hub, loops int) (*poller, error) {
	p := &poller{}
	for range loops {
		fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err == nil {
			err = unix.SetNonblock(fd, true)
		}
		if err != nil {
			_ = p.close()
			return nil, fmt.Errorf("making an epoll instance: %w", err)
		}
		l := &loop{hub: h, fd: fd, file: os.NewFile(uintptr(fd), "epoll")}
		p.loops = append(p.loops, l)
		p.wg.Go(l.run)
	}
	return p, nil
}

// close ends the loops and waits for them.
func (p *poller) close() error {
	for _, l := range p.loops {
		if err := l.file.Close(); err != nil {
			return fmt.Errorf("closing an epoll instance: %w", err)
		}
	}
	p.wg.Wait()
	return nil
}

func (l *loop) run() {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return // closed already
	}
	buf := make([]byte, readBuffer)
	events := make([]unix.EpollEvent, maxEvents)
	for {
		n := 0
		err := raw.Read(func(uintptr) bool {
			n, _ = unix.EpollWait(l.fd, events, 0)
			return n > 0
		})
		if err != nil {
			return // closed
		}
		for _, e := range events[:n] {
			// An event of a connection that has just ended may name its slot's next
			// owner: he finds nothing to read and tries a write too many.
			c := l.hub.table.get(e.Fd)
			if c == nil {
				continue
			}
			if e.Events&unix.EPOLLOUT != 0 {
				c.flush(true)
			}
			if e.Events&^uint32(unix.EPOLLOUT) != 0 {
				c.readReady(buf)
			}
		}
	}
}

// readReady reads once: epoll is level-triggered, so what is left is told again,
// after the other connections that have something.
func (c *conn) readReady(buf []byte) {
	l, ok := c.link.(*epollLink)
	if !ok || !c.begin(reading) {
		return
	}
	n, errno := recv(l.fd, buf)
	if n > 0 {
		c.received(buf[:n])
	}
	c.done(reading)
	if n <= 0 && errno != unix.EAGAIN && errno != unix.EINTR {
		c.end(0)
	}
}

// epollLink is a plain TCP connection on a loop.
type epollLink struct {
	loop *loop
	fd   int
	slot int32
	// events are what the loop waits for, once added. Guarded by conn.mu.
	events uint32
	added  bool
}

// attach moves a TCP connection to epoll: the descriptor is taken out of Go's
// hands, so that nothing of its net.Conn stays. Other connections are streams.
func (h *Hub) attach(c *conn, nc net.Conn) error {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		c.link = newStreamLink(h, nc)
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return fmt.Errorf("taking a connection's descriptor: %w", err)
	}
	fd := -1
	var dupErr error
	if err := raw.Control(func(old uintptr) {
		fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil || dupErr != nil {
		return fmt.Errorf("taking a connection's descriptor: %w", errorOr(err, dupErr))
	}
	_ = tcp.Close() // closes the old descriptor only
	c.link = &epollLink{loop: h.poller.loops[int(c.slot)%len(h.poller.loops)], fd: fd, slot: c.slot, events: unix.EPOLLIN | unix.EPOLLRDHUP}
	return nil
}

func errorOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (l *epollLink) start(c *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase >= ended {
		return
	}
	c.watch()
	l.added = true
	l.control(unix.EPOLL_CTL_ADD)
}

func (l *epollLink) watch(in, out bool) {
	var events uint32
	if in {
		// Half-closed peers are of interest only to who reads.
		events = unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if out {
		events |= unix.EPOLLOUT
	}
	if events == l.events {
		return
	}
	l.events = events
	if l.added {
		l.control(unix.EPOLL_CTL_MOD)
	}
}

func (l *epollLink) control(op int) {
	// It can fail for want of kernel memory only; the connection then falls silent
	// and is closed for it.
	_ = unix.EpollCtl(l.loop.fd, op, l.fd, &unix.EpollEvent{Events: l.events, Fd: l.slot})
}

func (l *epollLink) direct() bool { return true }
func (l *epollLink) nudge()       {}

func (l *epollLink) finishWriting() { _ = unix.Shutdown(l.fd, unix.SHUT_WR) }

func (l *epollLink) abort() { _ = unix.Shutdown(l.fd, unix.SHUT_RDWR) }

// close also takes the descriptor out of epoll, as no other refers to the socket.
func (l *epollLink) close() { _ = unix.Close(l.fd) }

// write never blocks, so it is made without telling the scheduler of Go, which
// is a good part of what a write to an idle socket costs.
func (l *epollLink) write(bufs [][]byte) (int, error) {
	for {
		n, errno := sendv(l.fd, bufs)
		switch errno {
		case 0:
			return n, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, errno
		}
	}
}

func sendv(fd int, bufs [][]byte) (int, syscall.Errno) {
	const flags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	if len(bufs) == 1 && len(bufs[0]) > 0 {
		b := bufs[0]
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags, 0, 0)
		return int(n), errno
	}
	var vectors [maxPieces]unix.Iovec
	count := 0
	for _, b := range bufs {
		if len(b) > 0 {
			vectors[count].Base = &b[0]
			vectors[count].SetLen(len(b))
			count++
		}
	}
	if count == 0 {
		return 0, 0
	}
	msg := unix.Msghdr{Iov: &vectors[0]}
	msg.SetIovlen(count)
	n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), flags)
	return int(n), errno
}

func recv(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}
