//go:build linux

package swarm

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sinceBoot reads the host's clock.
func sinceBoot() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // there is one on every Linux
	return time.Duration(t.Nano())
}

// EphemeralPorts is how many ports an address has for connections that it makes.
func EphemeralPorts() int {
	const usual = 60999 - 32768 + 1
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return usual
	}
	var low, high int
	if n, err := fmt.Sscan(string(text), &low, &high); n < 2 || err != nil || high < low {
		return usual
	}
	return high - low + 1
}

// poller is the system's side of a swarm: an epoll and a timer.
type poller struct {
	epoll int
	// timer ends a wait to the microsecond; the timeout of epoll itself has milliseconds.
	timer  int
	events []unix.EpollEvent
	ready  []ready
}

// ready is a socket for which something happened. The generation tells it apart from
// an earlier one that had the same descriptor.
type ready struct {
	fd, generation             int
	readable, writable, failed bool
}

// batch is how many events are taken at a time.
const batch = 512

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an epoll: %w", err)
	}
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a timer: %w", errors.Join(err, unix.Close(epoll)))
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(timer)}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, timer, &event); err != nil {
		return nil, fmt.Errorf("watching a timer: %w", errors.Join(err, unix.Close(timer), unix.Close(epoll)))
	}
	return &poller{epoll: epoll, timer: timer, events: make([]unix.EpollEvent, batch)}, nil
}

// wait returns what happens within d, as soon as anything does. The result is good until
// the next call.
func (p *poller) wait(d time.Duration) ([]ready, error) {
	timeout := 0
	if d > 0 {
		timeout = -1
		in := unix.ItimerSpec{Value: unix.NsecToTimespec(d.Nanoseconds())}
		if err := unix.TimerfdSettime(p.timer, 0, &in, nil); err != nil {
			return nil, fmt.Errorf("setting a timer: %w", err)
		}
	}
	n, err := unix.EpollWait(p.epoll, p.events, timeout)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return nil, fmt.Errorf("waiting for sockets: %w", err)
	}
	p.ready = p.ready[:0]
	for _, e := range p.events[:max(n, 0)] {
		if int(e.Fd) == p.timer {
			continue
		}
		p.ready = append(p.ready, ready{
			fd: int(e.Fd), generation: int(e.Pad),
			readable: e.Events&(unix.EPOLLIN|unix.EPOLLRDHUP) != 0,
			writable: e.Events&unix.EPOLLOUT != 0,
			failed:   e.Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0,
		})
	}
	return p.ready, nil
}

// connect begins a connection and watches it until it can be written. The source may be
// the zero Addr.
func (p *poller) connect(to netip.AddrPort, from netip.Addr, generation int) (fd int, err error) {
	family := unix.AF_INET
	if !to.Addr().Is4() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("making a socket: %w", err)
	}
	err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if err == nil && from.IsValid() {
		// The port is then picked by the connect, and may be one that goes elsewhere, too.
		err = errors.Join(
			unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
			unix.Bind(fd, sockaddr(netip.AddrPortFrom(from, 0))),
		)
	}
	if err == nil {
		err = unix.Connect(fd, sockaddr(to))
	}
	if err == nil || errors.Is(err, unix.EINPROGRESS) {
		event := unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(fd), Pad: int32(generation)}
		err = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &event)
	}
	if err != nil {
		return -1, fmt.Errorf("connecting: %w", errors.Join(err, unix.Close(fd)))
	}
	return fd, nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// connected tells how the connecting of a socket came out.
func (*poller) connected(fd int) error {
	failure, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && failure != 0 {
		err = unix.Errno(failure)
	}
	return err
}

// watch waits for what can be read, and if asked for what can be written.
func (p *poller) watch(fd, generation int, writing bool) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd), Pad: int32(generation)}
	if writing {
		event.Events |= unix.EPOLLOUT
	}
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_MOD, fd, &event)
}

// read returns 0 and no error when there is nothing to read now.
func (*poller) read(fd int, b []byte) (int, error) {
	n, err := unix.Read(fd, b)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return 0, nil
	case err == nil && n == 0:
		return 0, errEOF
	}
	return max(n, 0), err
}

// write writes as much as the socket takes.
func (*poller) write(fd int, b []byte) (int, error) {
	n, err := unix.Write(fd, b)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	return max(n, 0), err
}

// end closes a socket: with a FIN, or with a reset and nothing left behind.
func (*poller) end(fd int, reset bool) {
	if reset {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 0})
	}
	_ = unix.Close(fd) // what is not written any more nobody waits for
}

func (p *poller) close() error { return errors.Join(unix.Close(p.timer), unix.Close(p.epoll)) }
