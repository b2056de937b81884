package server

import (
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// gatePoller tells when silent connections speak. Their descriptors stay with
// their net.Conn and are in this epoll instance beside.
type gatePoller struct {
	fd   int
	file *os.File // owns fd
	wg   sync.WaitGroup
}

func newGatePoller(g *gate) (*gatePoller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, fmt.Errorf("making an epoll instance: %w", err)
	}
	p := &gatePoller{fd: fd, file: os.NewFile(uintptr(fd), "epoll")}
	p.wg.Go(func() { p.run(g) })
	return p, nil
}

func (p *gatePoller) run(g *gate) {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return // closed already
	}
	events := make([]unix.EpollEvent, readyQueue)
	for {
		n := 0
		err := raw.Read(func(uintptr) bool {
			n, _ = unix.EpollWait(p.fd, events, 0)
			return n > 0
		})
		if err != nil {
			return // closed
		}
		for _, e := range events[:n] {
			g.spoke(e.Fd) // the id, in fact
		}
	}
}

// watch waits for the connection's first byte or its end, once.
func (p *gatePoller) watch(s *silentConn) bool {
	return p.control(s, unix.EPOLL_CTL_ADD)
}

// forget takes the connection out before somebody else owns its descriptor.
func (p *gatePoller) forget(s *silentConn) { p.control(s, unix.EPOLL_CTL_DEL) }

func (p *gatePoller) control(s *silentConn, op int) bool {
	return withDescriptor(s.Conn, func(fd int) error {
		return unix.EpollCtl(p.fd, op, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: s.id})
	})
}

// hasSpoken tells whether the first byte or the end has come.
func (p *gatePoller) hasSpoken(s *silentConn) bool {
	return withDescriptor(s.Conn, func(fd int) error {
		_, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return err
	})
}

// peek returns how much of what has come it has copied, without taking it.
func peek(c net.Conn, head []byte) (n int) {
	withDescriptor(c, func(fd int) (err error) {
		n, _, err = unix.Recvfrom(fd, head, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return err
	})
	return max(n, 0)
}

// withDescriptor tells whether the connection has one that do was content with.
func withDescriptor(c net.Conn, do func(fd int) error) bool {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	err2 := raw.Control(func(fd uintptr) { err = do(int(fd)) })
	return err == nil && err2 == nil
}

// exchange takes what was peeked and answers. To close a connection on bytes that nobody
// has read resets it, and the answer may be lost with it (RFC 9112, section 9.6). It waits
// for nobody: what it takes is there, and the answer is the first that is written.
func exchange(c net.Conn, head, answer []byte) {
	withDescriptor(c, func(fd int) error {
		_, _, _ = unix.Recvfrom(fd, head, unix.MSG_DONTWAIT)
		return unix.Sendto(fd, answer, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil)
	})
}

func (p *gatePoller) close() {
	_ = p.file.Close()
	p.wg.Wait()
}
