package swarm

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/breakwater-chat/breakwater/wire"
)

// The states of a connection, in their order.
const (
	connecting = iota
	securing   // the TLS handshake goes on, if there is one
	upgrading  // the request is written
	live
)

// maxOut bounds what waits for a socket that takes nothing, in bytes.
const maxOut = 1 << 20

// conn is one connection, over all its lives.
type conn struct {
	swarm *Swarm
	index int
	// opening is set until it counts as opened for the first time.
	opening bool

	// Of the present life. fd is -1 while there is none.
	fd, generation int
	state          uint8
	target         *Target
	began          time.Duration
	since          time.Duration // when it began, or was upgraded
	heard          time.Duration // when bytes came last
	// secure is nil without TLS.
	secure *secure
	// rest is the beginning of a frame or an answer whose end is not here yet, text what
	// has come of a message in several frames.
	rest, text []byte
	// out is what the socket did not take.
	out []byte

	// attempt counts the attempts since the last life that was long enough.
	attempt int
	// window is what is left of a drain: until when it may come back.
	window time.Duration
}

func (c *conn) begun(fd int, target *Target) {
	c.fd, c.target, c.state = fd, target, connecting
	c.began, c.since, c.heard = c.swarm.now, c.swarm.now, c.swarm.now
	c.rest, c.text, c.out = nil, nil, nil
}

// opened lets the next connection begin.
func (c *conn) opened() {
	if c.opening {
		c.opening = false
		c.swarm.unready--
	}
}

// happened handles what the system says of the socket.
func (c *conn) happened(e ready) {
	if c.state == connecting {
		c.connected()
		return
	}
	if e.readable || e.failed {
		c.read()
	}
	if e.writable && c.fd >= 0 {
		c.flush()
	}
}

func (c *conn) connected() {
	if err := c.swarm.poller.connected(c.fd); err != nil {
		c.drop(failed(err, false), false)
		return
	}
	if err := c.swarm.poller.watch(c.fd, c.generation, false); err != nil {
		c.drop(failed(err, false), false)
		return
	}
	if c.target.TLS == nil {
		c.upgrade()
		return
	}
	c.state, c.secure = securing, newSecure(c.target.TLS)
	c.shake()
}

func (c *conn) upgrade() {
	c.state = upgrading
	c.write(c.swarm.handler.Request(c.index).appendUpgrade(nil, c.target.Host))
}

// shake goes on with the TLS handshake, and begins the upgrade when it is done.
func (c *conn) shake() {
	done, err := c.secure.shake()
	if !c.put(c.secure.flight()) {
		return
	}
	switch {
	case err != nil:
		c.drop(insecure(err), false)
	case done:
		c.upgrade()
	}
}

// read takes what the socket has, once: what is left is told again.
func (c *conn) read() {
	if c.secure != nil {
		c.readSealed()
		return
	}
	kept := c.keep()
	n, err := c.swarm.poller.read(c.fd, c.swarm.buffer[kept:])
	c.received(kept, n, err)
}

// readSealed is read of a connection with TLS. What can be decrypted is taken at once: the
// system does not tell of it again.
func (c *conn) readSealed() {
	s := c.swarm
	n, err := s.poller.read(c.fd, s.sealed)
	if err != nil {
		c.lost(err)
		return
	}
	generation := c.generation
	c.secure.arrived = s.sealed[:n]
	if c.state == securing {
		c.shake()
	}
	for c.fd >= 0 && c.generation == generation && c.state > securing {
		kept := c.keep()
		n, err := c.secure.open(s.buffer[kept:])
		if n == 0 && err == nil {
			return
		}
		c.received(kept, n, err)
	}
}

// keep puts what is kept of the bytes before at the beginning of the swarm's buffer, and
// leaves room behind it.
func (c *conn) keep() (kept int) {
	s := c.swarm
	if len(s.buffer) < 2*len(c.rest) {
		s.buffer = make([]byte, 2*len(s.buffer))
	}
	return copy(s.buffer, c.rest)
}

// received takes n bytes that were read behind those that were kept.
func (c *conn) received(kept, n int, err error) {
	s := c.swarm
	if err != nil {
		c.lost(err)
		return
	}
	if n == 0 {
		return
	}
	s.now = s.cfg.Clock.Now()
	c.heard = s.now
	generation := c.generation
	rest := c.take(s.buffer[:kept+n])
	if c.fd < 0 || c.generation != generation {
		return
	}
	if len(rest) == 0 {
		c.rest = nil
	} else {
		c.rest = append(c.rest[:0], rest...)
	}
}

// lost handles an end of the socket that no close frame announced.
func (c *conn) lost(err error) {
	end := failed(err, c.state == live)
	switch {
	case c.state == upgrading && len(c.rest) > 0:
		if answer, whole := refusal(append(c.rest, headEnd...)); whole && answer.Status != 0 {
			end = answer
		}
	case errors.Is(err, errEOF) && c.state == live:
		end.Reason = ReasonEOF
	case errors.Is(err, errEOF):
		end.Reason = reasonNoAnswer
	}
	c.drop(end, false)
}

// take handles the frames that are whole and returns the bytes behind them.
func (c *conn) take(b []byte) []byte {
	if c.state == upgrading {
		size, ok := upgraded(b)
		if !ok {
			c.refused(b)
			return b
		}
		if size == 0 {
			return b
		}
		b = b[size:]
		c.state, c.since = live, c.swarm.now
		c.swarm.live++
	}
	for generation := c.generation; ; {
		f, ok, err := cut(b)
		if err != nil {
			c.drop(End{Reason: ReasonBadFrame, Detail: err.Error(), Live: true}, true)
			return nil
		}
		if !ok {
			return b
		}
		b = b[f.size:]
		if c.frame(f); c.fd < 0 || c.generation != generation {
			return nil
		}
	}
}

// refused handles an answer that is no 101, once it is whole.
func (c *conn) refused(b []byte) {
	end, whole := refusal(b)
	if whole {
		end.Final = isFinal(end.Status)
		c.drop(end, false)
	}
}

func (c *conn) frame(f frame) {
	switch f.opcode {
	case wire.OpText:
		if f.fin {
			c.swarm.handler.Text(c.index, f.payload)
		} else {
			c.text = append(c.text[:0], f.payload...)
		}
	case wire.OpContinuation:
		c.text = append(c.text, f.payload...)
		switch {
		case len(c.text) > maxFrame:
			c.drop(End{Reason: ReasonBadFrame, Detail: "a message of the server is too long", Live: true}, true)
		case f.fin:
			text := c.text
			c.text = nil
			c.swarm.handler.Text(c.index, text)
		}
	case wire.OpPing:
		c.send(wire.OpPong, f.payload)
	case wire.OpClose:
		c.closed(f.payload)
	}
}

// closed answers a close frame with the same code and ends the connection.
func (c *conn) closed(payload []byte) {
	c.send(wire.OpClose, payload[:min(len(payload), 2)])
	if c.fd < 0 {
		return // the socket did not take it
	}
	detail := ""
	if len(payload) > 2 {
		detail = string(payload[2:])
	}
	c.drop(endOf(closeCode(payload), detail), false)
}

// send writes one frame; it tells whether the connection is still there.
func (c *conn) send(opcode byte, payload []byte) bool {
	s := c.swarm
	s.frame = appendFrame(s.frame[:0], opcode, payload, s.cfg.Random.Uint32())
	return c.write(s.frame)
}

// write writes something, by way of TLS if there is one; it tells whether the connection
// is still there.
func (c *conn) write(b []byte) bool {
	if c.secure != nil {
		sealed, err := c.secure.seal(b)
		if err != nil {
			c.drop(failed(err, c.state == live), true)
			return false
		}
		b = sealed
	}
	return c.put(b)
}

// put writes what the socket takes and keeps the rest.
func (c *conn) put(b []byte) bool {
	if len(c.out) == 0 {
		n, err := c.swarm.poller.write(c.fd, b)
		if err == nil && n < len(b) {
			err = c.swarm.poller.watch(c.fd, c.generation, true)
		}
		if err != nil {
			c.drop(failed(err, c.state == live), true)
			return false
		}
		b = b[n:]
	}
	c.out = append(c.out, b...)
	if len(c.out) > maxOut {
		c.drop(End{Reason: ReasonBacklog, Live: c.state == live}, true)
		return false
	}
	return true
}

// flush writes what was kept.
func (c *conn) flush() {
	n, err := c.swarm.poller.write(c.fd, c.out)
	if c.out = c.out[n:]; err == nil && len(c.out) == 0 {
		c.out = nil
		err = c.swarm.poller.watch(c.fd, c.generation, false)
	}
	if err != nil {
		c.drop(failed(err, c.state == live), true)
	}
}

// drop ends the present life.
func (c *conn) drop(end End, reset bool) {
	s := c.swarm
	c.close(reset)
	end.Live = c.state == live
	if end.Live {
		s.live--
		if s.now-c.since >= stable {
			c.attempt = 0
		}
	}
	c.over(end)
}

// close gives back what the present life has.
func (c *conn) close(reset bool) {
	c.swarm.poller.end(c.fd, reset)
	c.swarm.byFD[c.fd] = nil
	if c.secure != nil {
		c.secure.stop()
	}
	c.fd, c.secure = -1, nil
	c.rest, c.text, c.out = nil, nil, nil
}

// over tells of an end, and comes back unless it is final.
func (c *conn) over(end End) {
	s := c.swarm
	s.handler.Ended(c.index, end)
	if end.Final {
		c.opened() // nobody waits for it any more
		return
	}
	wait := end.wait(c.attempt, c.window-s.now, s.cfg.Random)
	if !end.atOnce {
		c.attempt++
	}
	c.window = 0
	s.After(wait, func() {
		if err := s.begin(c); err != nil {
			c.over(failed(err, false))
		}
	})
}

// leave ends the connection for good.
func (c *conn) leave() {
	if c.fd < 0 {
		return
	}
	if c.state == live && !c.send(wire.OpClose, binary.BigEndian.AppendUint16(nil, uint16(wire.CloseNormal))) {
		return // it has ended by that
	}
	c.close(false)
}

// Send writes a text frame; it is false if the connection is not there, or ends by it
// because it has not taken a mebibyte of what was sent before.
func (s *Swarm) Send(conn int, payload []byte) bool {
	c := s.conns[conn]
	return c.fd >= 0 && c.state == live && c.send(wire.OpText, payload)
}

// Drain leaves a connection at a random moment of the window and comes back at once, as the
// server has asked for.
func (s *Swarm) Drain(conn int, window time.Duration) {
	c := s.conns[conn]
	c.window = s.now + window
	generation := c.generation
	s.After(time.Duration(s.cfg.Random.Float64()*float64(window)), func() {
		if c.fd >= 0 && c.generation == generation {
			c.send(wire.OpClose, binary.BigEndian.AppendUint16(nil, uint16(wire.CloseNormal)))
		}
		if c.fd >= 0 && c.generation == generation {
			c.window = s.now + 1 // at once: the moment was drawn already
			c.drop(End{Reason: ReasonDrain, atOnce: true}, false)
		}
	})
}
