//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// The states of a connection, in their order.
const (
	connecting = iota
	upgrading  // the request is written
	joining    // upgraded, the joined frame is awaited
	live
)

// conn is one member's connection.
type conn struct {
	fd    int
	index int
	state uint8
	// rest is the beginning of a frame whose end is not here yet.
	rest []byte
	// next is the seq that must come next, received how many have come.
	next     int64
	received int64
}

// swarm is many connections on one epoll, used from one goroutine.
type swarm struct {
	port  int
	epoll int
	// request is the head of the upgrade request of the i-th connection.
	request func(i int) string

	conns []*conn
	// byFD finds the connection of a descriptor.
	byFD    []*conn
	pending int // connections that are not live yet
	buffer  []byte
	events  []unix.EpollEvent

	*exchange
}

const readSize = 256 << 10

func newSwarm(port int, request func(int) string) (*swarm, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an epoll: %w", err)
	}
	return &swarm{
		port: port, epoll: epoll, request: request,
		buffer: make([]byte, readSize), events: make([]unix.EpollEvent, 512),
		exchange: newExchange(),
	}, nil
}

// join opens n connections, at most inFlight of them unfinished at a time, and
// waits until every one has its joined frame.
func (s *swarm) join(n, inFlight int) error {
	deadline := time.Now().Add(patience)
	for opened := 0; opened < n || s.pending > 0; {
		for s.pending < inFlight && opened < n {
			if err := s.open(); err != nil {
				return err
			}
			opened++
		}
		if err := s.poll(time.Second); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("joining: %d of %d connections are not joined after %v", s.pending+n-opened, n, patience)
		}
	}
	return nil
}

// open begins one connection. Its source address varies, so that there are
// ports enough.
func (s *swarm) open() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("making a socket: %w", err)
	}
	c := &conn{fd: fd, index: len(s.conns)}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(1 + c.index%16)}}),
	)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: s.port})
	}
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connecting: %w", errors.Join(err, unix.Close(fd)))
	}
	event := unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(fd)}
	if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("watching a connection: %w", errors.Join(err, unix.Close(fd)))
	}
	for len(s.byFD) <= fd {
		s.byFD = append(s.byFD, nil)
	}
	s.byFD[fd] = c
	s.conns = append(s.conns, c)
	s.pending++
	return nil
}

// close ends all connections at once, without a close handshake.
func (s *swarm) close() error {
	var errs []error
	for _, c := range s.conns {
		errs = append(errs, unix.Close(c.fd))
	}
	return errors.Join(append(errs, unix.Close(s.epoll))...)
}

// poll handles what arrives within the timeout, at least one round of it.
func (s *swarm) poll(timeout time.Duration) error {
	n, err := unix.EpollWait(s.epoll, s.events, int(timeout.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("waiting for bytes: %w", err)
	}
	for _, event := range s.events[:max(n, 0)] {
		c := s.byFD[event.Fd]
		if c.state == connecting {
			if err := s.upgrade(c); err != nil {
				return err
			}
			continue
		}
		if err := s.read(c); err != nil {
			return fmt.Errorf("connection %d: %w", c.index, err)
		}
	}
	return nil
}

// idle handles what arrives for that long.
func (s *swarm) idle(d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := s.poll(100 * time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func (s *swarm) upgrade(c *conn) error {
	if failure, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || failure != 0 {
		return fmt.Errorf("connecting: %w", errors.Join(err, unix.Errno(failure)))
	}
	request := "GET " + s.request(c.index) + " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if err := writeAll(c.fd, []byte(request)); err != nil {
		return fmt.Errorf("writing the request: %w", err)
	}
	c.state = upgrading
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.fd)}
	if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_MOD, c.fd, &event); err != nil {
		return fmt.Errorf("watching a connection: %w", err)
	}
	return nil
}

// read takes what one connection has and handles the frames that are whole.
func (s *swarm) read(c *conn) error {
	kept := copy(s.buffer, c.rest)
	n, err := unix.Read(c.fd, s.buffer[kept:])
	switch {
	case errors.Is(err, unix.EAGAIN):
		return nil
	case err != nil:
		return fmt.Errorf("reading: %w", err)
	case n == 0:
		return errors.New("reading: the server closed the connection")
	}
	s.now = time.Now()
	rest, err := s.handle(c, s.buffer[:kept+n])
	if len(rest) == 0 {
		c.rest = nil
	} else {
		c.rest = append(c.rest[:0], rest...)
	}
	return err
}

// handle returns the bytes of the last, incomplete frame.
func (s *swarm) handle(c *conn, b []byte) ([]byte, error) {
	if c.state == upgrading {
		end := bytes.Index(b, []byte("\r\n\r\n"))
		if end < 0 {
			return b, nil
		}
		if !bytes.HasPrefix(b, []byte("HTTP/1.1 101 ")) {
			return nil, fmt.Errorf("upgrading: got %.400q", b)
		}
		b = b[end+4:]
		c.state = joining
	}
	for {
		f, ok := parseFrame(b)
		if !ok {
			return b, nil
		}
		b = b[f.size:]
		if err := s.frame(c, f); err != nil {
			return nil, err
		}
	}
}

func (s *swarm) frame(c *conn, f frame) error {
	switch f.opcode {
	case opText:
		if c.state == live {
			return s.text(c, f.payload)
		}
		return s.joined(c, f.payload)
	case opPing:
		return writeAll(c.fd, appendClientFrame(nil, opPong, f.payload))
	case opClose:
		return fmt.Errorf("the server closes with %q", f.payload)
	}
	return nil
}

// joined begins the count of a connection's messages.
func (s *swarm) joined(c *conn, payload []byte) error {
	var head struct {
		Type string
		Seq  int64
	}
	if err := json.Unmarshal(payload, &head); err != nil {
		return fmt.Errorf("joining: %w", err)
	}
	switch head.Type {
	case "joined":
		c.state, c.next = live, head.Seq+1
		s.pending--
	case "error":
		return fmt.Errorf("joining: got %s", payload)
	}
	return nil
}

// writeAll writes what is small against a socket's buffer.
func writeAll(fd int, b []byte) error {
	n, err := unix.Write(fd, b)
	if err == nil && n < len(b) {
		err = fmt.Errorf("wrote %d bytes of %d", n, len(b))
	}
	return err
}
