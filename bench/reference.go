//go:build linux

package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// reference is the least server that the load client is content with, and so
// the floor of what the machine allows: one thread, one room, a log of framed
// messages, and after every round of reading one write a member of what is
// new. It keeps no promise: nothing is stored, checked, bounded or authorised.
type reference struct {
	epoll, listener int
	// members by descriptor; nil where there is none.
	members []*referenceMember
	// log holds the frames that the members do not have yet.
	log     []byte
	flushed time.Time
	seq     int64
	buffer  []byte
	// behind counts members whose socket was full.
	behind int
}

type referenceMember struct {
	fd   int
	name string
	// rest is what a full socket did not take yet.
	rest []byte
}

// busyDelay is the least time between two flushes: under load it fills the
// writes, and a quiet room never waits for it.
const busyDelay = 3 * time.Millisecond

// referenceRoom is where everything happens.
const referenceRoom = `"room":1,"epoch":1`

// serveReference says on out where it listens and runs until told to stop.
func serveReference(stop <-chan os.Signal, out io.Writer) error {
	r, port, err := newReference()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on 127.0.0.1:%d\n", port)
	events := make([]unix.EpollEvent, 512)
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		timeout := 100
		if r.behind > 0 || len(r.log) > 0 {
			timeout = 1
		}
		n, err := unix.EpollWait(r.epoll, events, timeout)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting: %w", err)
		}
		for _, event := range events[:max(n, 0)] {
			if err := r.ready(int(event.Fd)); err != nil {
				return err
			}
		}
		if err := r.flush(); err != nil {
			return err
		}
	}
}

// flush gives every member what the round added, in one write.
func (r *reference) flush() error {
	now := time.Now()
	if len(r.log) == 0 && r.behind == 0 || now.Sub(r.flushed) < busyDelay {
		return nil
	}
	r.flushed = now
	for _, m := range r.members {
		if m != nil && m.name != "" {
			if err := r.write(m, r.log); err != nil {
				return err
			}
		}
	}
	r.log = r.log[:0]
	return nil
}

// write gives a member bytes behind those that it did not take yet.
func (r *reference) write(m *referenceMember, b []byte) error {
	if len(m.rest) > 0 {
		r.behind--
		m.rest = append(m.rest, b...)
		b = m.rest
	}
	if len(b) == 0 {
		return nil
	}
	n, err := unix.Write(m.fd, b)
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		n, err = len(b), nil // gone: the next read says so
	}
	if err != nil && !errors.Is(err, unix.EAGAIN) {
		return fmt.Errorf("writing: %w", err)
	}
	m.rest = append(m.rest[:0], b[max(n, 0):]...)
	if len(m.rest) > 0 {
		r.behind++
	}
	return nil
}

func newReference() (*reference, int, error) {
	epoll, err := unix.EpollCreate1(0)
	if err != nil {
		return nil, 0, fmt.Errorf("making an epoll: %w", err)
	}
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("making a socket: %w", err)
	}
	r := &reference{epoll: epoll, listener: listener, buffer: make([]byte, 64<<10)}
	err = errors.Join(
		unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
		unix.Listen(listener, unix.SOMAXCONN),
		r.watch(listener),
	)
	if err != nil {
		return nil, 0, fmt.Errorf("listening: %w", err)
	}
	address, err := unix.Getsockname(listener)
	if err != nil {
		return nil, 0, fmt.Errorf("listening: %w", err)
	}
	return r, address.(*unix.SockaddrInet4).Port, nil
}

func (r *reference) watch(fd int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	return unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, fd, &event)
}

func (r *reference) ready(fd int) error {
	if fd == r.listener {
		return r.accept()
	}
	m := r.members[fd]
	n, err := unix.Read(fd, r.buffer)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return nil
	case err != nil || n == 0:
		r.members[fd] = nil
		return unix.Close(fd)
	case m.name != "":
		return r.sends(m, r.buffer[:n])
	}
	return r.upgrade(m, r.buffer[:n])
}

func (r *reference) accept() error {
	for {
		fd, _, err := unix.Accept4(r.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		} else if err != nil {
			return fmt.Errorf("accepting: %w", err)
		}
		for len(r.members) <= fd {
			r.members = append(r.members, nil)
		}
		r.members[fd] = &referenceMember{fd: fd}
		if err := errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), r.watch(fd)); err != nil {
			return fmt.Errorf("accepting: %w", err)
		}
	}
}

// upgrade answers the request, which the load client sends in one piece.
func (r *reference) upgrade(m *referenceMember, request []byte) error {
	name, ok1 := between(request, "user=", "&")
	key, ok2 := between(request, "Sec-WebSocket-Key: ", "\r\n")
	if !ok1 || !ok2 {
		return errors.New("upgrading: the request has no user or no key")
	}
	m.name = name
	// RFC 6455, section 4.2.2.
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
	joined := fmt.Appendf(nil, `{"type":"joined",%s,"seq":%d,"recovered":false,"messages":[],"users":1}`, referenceRoom, r.seq)
	return r.write(m, appendServerFrame([]byte(answer), joined))
}

func between(b []byte, before, after string) (string, bool) {
	_, b, found := bytes.Cut(b, []byte(before))
	b, _, ended := bytes.Cut(b, []byte(after))
	return string(b), found && ended
}

// sends takes the frames of a publisher, each whole as the client wrote it.
func (r *reference) sends(m *referenceMember, b []byte) error {
	for len(b) > 0 {
		f, ok := parseFrame(b)
		if !ok {
			return errors.New("reading: a frame in two pieces")
		}
		b = b[f.size:]
		var send struct{ ID, Text string }
		if err := json.Unmarshal(f.payload, &send); err != nil {
			return fmt.Errorf("reading: %w", err)
		}
		r.seq++
		r.log = appendServerFrame(r.log, fmt.Appendf(nil, `{"type":"message",%s,"seq":%d,"id":%q,"user":%q,"text":%q,"timestamp":1}`,
			referenceRoom, r.seq, send.ID, m.name, send.Text))
		ack := fmt.Appendf(nil, `{"type":"ack","id":%q,%s,"seq":%d,"timestamp":1,"duplicate":false}`, send.ID, referenceRoom, r.seq)
		if err := r.write(m, appendServerFrame(nil, ack)); err != nil {
			return err
		}
	}
	return nil
}
