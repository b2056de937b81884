package overload

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// peers are many connections of people in one epoll instance, driven by one
// goroutine: a generator has to be several times cheaper than what it loads.
type peers struct {
	epoll  int
	byFD   map[int32]*peer
	buffer []byte
	events []unix.EpollEvent
	// heard is called with each text frame.
	heard func(p *peer, payload []byte)
	// full are those that have something to be written since the last push.
	full []*peer
	// broken are connections that have got an error since the caller took it empty.
	broken []*peer
}

// peer is one connection.
type peer struct {
	fd   int
	rest []byte // the beginning of a frame
	out  []byte // what the socket has not taken
	in   bool   // has its playback
	err  error
}

var errEnded = errors.New("the server closed the connection")

func newPeers() (*peers, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll instance: %w", err)
	}
	return &peers{epoll: epoll, byFD: map[int32]*peer{}, buffer: make([]byte, 256<<10), events: make([]unix.EpollEvent, 512)}, nil
}

func (ps *peers) close() {
	for _, p := range ps.byFD {
		_ = unix.Close(p.fd)
	}
	_ = unix.Close(ps.epoll)
}

// open begins a connection to a port of this machine and writes the request.
func (ps *peers) open(port int, request string) (*peer, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	p := &peer{fd: fd, out: []byte(request)}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return nil, errors.Join(fmt.Errorf("connect: %w", err), unix.Close(fd))
	}
	ps.flush(p) // at once, if the connection is there: who is silent is turned out when there are many
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if len(p.out) > 0 {
		event.Events |= unix.EPOLLOUT
	}
	if err := unix.EpollCtl(ps.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return nil, errors.Join(fmt.Errorf("watch a connection: %w", err), unix.Close(fd))
	}
	ps.byFD[int32(fd)] = p
	return p, nil
}

// drop ends a connection without a word.
func (ps *peers) drop(p *peer) {
	_ = unix.SetsockoptLinger(p.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(p.fd)
	delete(ps.byFD, int32(p.fd))
}

// poll works on what arrives within the timeout.
func (ps *peers) poll(timeout time.Duration) {
	n, _ := unix.EpollWait(ps.epoll, ps.events, int(timeout.Milliseconds()))
	for _, event := range ps.events[:max(n, 0)] {
		p := ps.byFD[event.Fd]
		if p == nil {
			continue
		}
		if event.Events&unix.EPOLLOUT != 0 {
			if ps.flush(p); len(p.out) == 0 {
				ps.watch(p, unix.EPOLLIN)
			}
		}
		if event.Events&^uint32(unix.EPOLLOUT) != 0 {
			ps.read(p)
		}
	}
}

// write sends a frame with the next push, together with what else there is for the peer
// by then: when the generator is late, it gets cheaper instead of later.
func (ps *peers) write(p *peer, frame []byte) {
	if len(p.out) == 0 {
		ps.full = append(ps.full, p)
	}
	p.out = append(p.out, frame...)
}

// push writes what there is, as far as the sockets take it.
func (ps *peers) push() {
	for _, p := range ps.full {
		if ps.flush(p); len(p.out) > 0 {
			ps.watch(p, unix.EPOLLIN|unix.EPOLLOUT)
		}
	}
	ps.full = ps.full[:0]
}

func (ps *peers) watch(p *peer, events uint32) {
	_ = unix.EpollCtl(ps.epoll, unix.EPOLL_CTL_MOD, p.fd, &unix.EpollEvent{Events: events, Fd: int32(p.fd)})
}

func (ps *peers) flush(p *peer) {
	n, err := unix.Write(p.fd, p.out)
	if err != nil && !errors.Is(err, unix.EAGAIN) {
		p.err = err
		n = len(p.out)
	}
	if n == len(p.out) {
		p.out = p.out[:0]
	} else {
		p.out = p.out[max(n, 0):]
	}
}

// read takes what a connection has and hands on the frames that are whole.
func (ps *peers) read(p *peer) {
	kept := copy(ps.buffer, p.rest)
	n, err := unix.Read(p.fd, ps.buffer[kept:])
	switch {
	case errors.Is(err, unix.EAGAIN):
		return
	case err != nil:
		p.err = err
	case n == 0:
		p.err = errEnded
	}
	if p.err == nil {
		p.rest = append(p.rest[:0], ps.frames(p, ps.buffer[:kept+n])...)
	}
	if p.err != nil {
		ps.watch(p, 0)
		ps.broken = append(ps.broken, p)
	}
}

// frames hands on whole frames and returns what is behind them.
func (ps *peers) frames(p *peer, b []byte) []byte {
	if !p.in && bytes.HasPrefix(b, []byte("HTTP/")) {
		end := bytes.Index(b, []byte("\r\n\r\n"))
		if end < 0 {
			return b
		}
		if !bytes.HasPrefix(b, []byte("HTTP/1.1 101 ")) {
			ps.heard(p, b)
			return nil
		}
		b = b[end+4:]
	}
	for len(b) >= 2 {
		header, length := 2, int(b[1])
		switch length {
		case 126:
			if len(b) < 4 {
				return b
			}
			header, length = 4, int(b[2])<<8|int(b[3])
		case 127:
			p.err = errors.New("a frame of over 64 KiB")
			return nil
		}
		if len(b) < header+length {
			return b
		}
		switch ws.OpCode(b[0] & 15) {
		case ws.OpText:
			ps.heard(p, b[header:header+length])
		case ws.OpClose:
			p.err = fmt.Errorf("closed by the server: %q", b[header:header+length])
		}
		b = b[header+length:]
	}
	return b
}
