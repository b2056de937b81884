package swarm

import (
	"crypto/tls"
	"errors"
	"io"
	"iter"
	"net"
	"os"
	"time"
)

// secure is the TLS of one life of a connection, between the loop, which owns the socket,
// and crypto/tls, which would like to wait for it: the loop puts in what has arrived, and
// takes out what is to be written. It is the net.Conn of its own tls.Conn.
//
// A handshake of crypto/tls cannot be taken up again where it was left for want of bytes.
// So it runs as a coroutine, which gives the loop its turn back when it needs more of them:
// there is no second thread in this. A Read can be taken up again after a timeout.
type secure struct {
	conn *tls.Conn
	// arrived is what was read of the socket and not taken yet; it is the swarm's memory.
	arrived []byte
	// sealed is what is to be written.
	sealed []byte

	// pause ends a turn of the handshake, false if there will be no other; nil behind it.
	pause func() bool
	next  func() (struct{}, bool)
	// stop ends a handshake that nobody waits for any more.
	stop func()
	err  error // of the handshake
}

func newSecure(config *tls.Config) *secure {
	t := &secure{}
	t.conn = tls.Client(t, config)
	t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.pause = func() bool { return yield(struct{}{}) }
		t.err = t.conn.Handshake()
		t.pause = nil
	})
	return t
}

// shake goes on with the handshake, and tells whether it is done.
func (t *secure) shake() (done bool, err error) {
	_, more := t.next()
	return !more && t.err == nil, t.err
}

// open reads what has arrived, decrypted, as far as there is room for it; 0 and no error
// when there is no whole record.
func (t *secure) open(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var more int
		more, err = t.conn.Read(b[n:])
		n += more
	}
	switch {
	case n > 0, errors.Is(err, os.ErrDeadlineExceeded):
		err = nil // any other one comes again
	case errors.Is(err, io.EOF):
		err = errEOF
	}
	return n, err
}

// seal encrypts b, behind what TLS itself has to say. The result is the caller's.
func (t *secure) seal(b []byte) ([]byte, error) {
	_, err := t.conn.Write(b)
	return t.flight(), err
}

// flight is what TLS itself has to say.
func (t *secure) flight() []byte {
	sealed := t.sealed
	t.sealed = nil
	return sealed
}

// Read gives crypto/tls what has arrived. Behind the handshake the lack of more is a
// timeout to it.
func (t *secure) Read(b []byte) (int, error) {
	for len(t.arrived) == 0 {
		if t.pause == nil {
			return 0, os.ErrDeadlineExceeded
		}
		if !t.pause() {
			return 0, net.ErrClosed
		}
	}
	n := copy(b, t.arrived)
	t.arrived = t.arrived[n:]
	return n, nil
}

// Write keeps what crypto/tls writes: it never fails, and bounds nothing, as the loop takes
// it at once.
func (t *secure) Write(b []byte) (int, error) {
	t.sealed = append(t.sealed, b...)
	return len(b), nil
}

// The rest of a net.Conn is not used: the socket is the loop's.

func (*secure) Close() error                     { return nil }
func (*secure) LocalAddr() net.Addr              { return nil }
func (*secure) RemoteAddr() net.Addr             { return nil }
func (*secure) SetDeadline(time.Time) error      { return nil }
func (*secure) SetReadDeadline(time.Time) error  { return nil }
func (*secure) SetWriteDeadline(time.Time) error { return nil }
