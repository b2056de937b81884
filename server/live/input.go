package live

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/breakwater-chat/breakwater/wire"
)

// inbox is what a connection has received and not yet worked on, and what it
// did wrong in a row. It exists only when there is something to keep.
type inbox struct {
	// rest is the beginning of a frame, or frames that wait for a hold to end;
	// at most one read and one frame long.
	rest []byte
	// message holds the fragments of a message so far.
	message    []byte
	fragmented bool
	// over is set when the peer has sent its close frame or broken RFC 6455: nothing
	// of what it sends is looked at any more (sections 5.5.1 and 7.1.7).
	over bool
	// malformed and refused count frames in a row that were no JSON objects, and
	// sends in a row that were over the rate.
	malformed, refused int
	// free counts frames that cost the peer nothing since the tick freeSince, at
	// most a second long.
	free      int
	freeSince uint32
}

// Bounds of patience, which are wide: each such frame is told what is wrong with
// it, and the connection stays, as long as there is hope.
const (
	maxMalformed = 1000
	maxRefused   = 1000
	maxFree      = 1000
)

// received is called by the link with bytes from the peer; they are the link's
// again when it returns. Calls come one at a time.
func (c *conn) received(data []byte) {
	c.heard.Store(c.hub.tick())
	c.readMu.Lock()
	defer c.readMu.Unlock()
	c.feed(data)
}

// keep takes the bytes that came behind the upgrade request.
func (c *conn) keep(data []byte) {
	if len(data) == 0 {
		return
	}
	c.readMu.Lock()
	defer c.readMu.Unlock()
	c.inbox().rest = append([]byte(nil), data...)
}

// resume works on what waited for a hold and reads on.
func (c *conn) resume() {
	if !c.paused.Load() || c.holds.Load() != 0 {
		return
	}
	c.readMu.Lock()
	c.paused.Store(false)
	c.feed(nil)
	c.readMu.Unlock()
	c.mu.Lock()
	c.watch()
	c.mu.Unlock()
}

// pause notes that frames wait, and makes sure that the end of the last hold
// does not go unnoticed.
func (c *conn) pause() {
	c.paused.Store(true)
	c.mu.Lock()
	c.watch()
	c.mu.Unlock()
	if c.holds.Load() == 0 {
		c.hub.sched.add(c)
	}
}

func (c *conn) inbox() *inbox {
	if c.in == nil {
		c.in = &inbox{}
	}
	return c.in
}

// feed works on all whole frames and keeps the rest. Called under readMu.
func (c *conn) feed(data []byte) {
	if c.in != nil && len(c.in.rest) > 0 {
		c.in.rest = append(c.in.rest, data...)
		data = c.in.rest
	}
	for len(data) > 0 {
		if c.in != nil && c.in.over {
			data = nil
			break
		}
		if c.holds.Load() != 0 && c.isOpen() {
			c.pause()
			break
		}
		n := c.turnAway(data)
		if n == 0 {
			n = c.frame(data)
		}
		if n == 0 {
			break
		}
		data = data[n:]
	}
	if c.holds.Load() != 0 && !c.paused.Load() && c.isOpen() {
		c.pause()
	}
	if len(data) > 0 {
		in := c.inbox()
		in.rest = append(in.rest[:0], data...) // in place when nothing was taken
	} else if c.in != nil {
		c.in.rest = nil
		if c.in.message == nil && !c.in.fragmented && !c.in.over && c.in.malformed == 0 && c.in.refused == 0 && c.in.free == 0 {
			c.in = nil
		}
	}
}

func (c *conn) isOpen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == open
}

// frame works on the frame at the beginning of data, unmasking it in place, and
// returns its length; 0 if it is not whole yet.
func (c *conn) frame(data []byte) int {
	h, size := parseHeader(data)
	if size == 0 {
		return 0
	}
	if code := c.checkHeader(h); code != 0 {
		c.fail(code)
		return len(data)
	}
	length := int(h.Length)
	if len(data) < size+length {
		return 0
	}
	payload := data[size : size+length]
	ws.Cipher(payload, h.Mask, 0)
	if h.OpCode.IsControl() {
		c.control(h.OpCode, payload)
	} else if c.isOpen() {
		c.data(h, payload)
	}
	return size + length
}

// fail ends a connection whose peer has broken RFC 6455.
func (c *conn) fail(code wire.CloseCode) {
	c.last(func() { c.closeWith(code, "") })
}

// last ends the connection behind the answers to what was asked before. Nothing of
// what comes any more is looked at.
func (c *conn) last(end func()) {
	c.inbox().over = true
	if !c.endsLater(end) {
		end()
	}
}

// badLength stands for a length that is longer than any or has a shorter encoding.
const badLength = -1

// parseHeader reads a frame's header (RFC 6455, section 5.2) and returns its
// size, 0 if it is not whole yet.
func parseHeader(b []byte) (h ws.Header, size int) {
	if len(b) < 2 {
		return h, 0
	}
	h.Fin = b[0]&0x80 != 0
	h.Rsv = b[0] >> 4 & 7
	h.OpCode = ws.OpCode(b[0] & 15)
	h.Masked = b[1]&0x80 != 0
	h.Length = int64(b[1] & 0x7f)
	size = 2
	switch h.Length {
	case 126:
		size = 4
		if len(b) < size {
			return h, 0
		}
		if h.Length = int64(binary.BigEndian.Uint16(b[2:])); h.Length < 126 {
			h.Length = badLength
		}
	case 127:
		size = 10
		if len(b) < size {
			return h, 0
		}
		if h.Length = int64(binary.BigEndian.Uint64(b[2:])); h.Length < 1<<16 {
			h.Length = badLength // a negative one has the highest bit set
		}
	}
	if h.Masked {
		if len(b) < size+4 {
			return h, 0
		}
		copy(h.Mask[:], b[size:])
		size += 4
	}
	return h, size
}

// checkHeader returns the code to close with, 0 if the frame may come.
func (c *conn) checkHeader(h ws.Header) wire.CloseCode {
	state := ws.StateServerSide
	soFar := 0
	if c.in != nil {
		soFar = len(c.in.message)
		if c.in.fragmented {
			state |= ws.StateFragmented
		}
	}
	if err := ws.CheckHeader(h, state); err != nil || h.Length == badLength {
		return wire.CloseProtocolError
	}
	if h.OpCode == ws.OpBinary {
		return wire.CloseUnsupportedData
	}
	if limit := c.hub.maxMessage(); !h.OpCode.IsControl() && h.Length > int64(limit-soFar) {
		return wire.CloseMessageTooBig
	}
	return 0
}

// control answers a control frame; they may come between fragments.
func (c *conn) control(op ws.OpCode, payload []byte) {
	switch op {
	case ws.OpPing:
		pong := wire.AppendFrameHeader(make([]byte, 0, 2+len(payload)), wire.OpPong, len(payload))
		c.send(append(pong, payload...))
	case ws.OpClose:
		code := closeAnswer(payload)
		c.last(func() { c.answerClose(code) })
	}
}

// closeAnswer is the code with which a close frame is answered: its own, or that
// of what is wrong with it (RFC 6455, sections 5.5.1 and 7.4).
func closeAnswer(payload []byte) wire.CloseCode {
	if len(payload) == 0 {
		return wire.CloseNoStatus
	}
	if len(payload) == 1 {
		return wire.CloseProtocolError
	}
	code := wire.CloseCode(binary.BigEndian.Uint16(payload))
	switch {
	case !code.Sendable():
		return wire.CloseProtocolError
	case !utf8.Valid(payload[2:]):
		return wire.CloseInvalidUTF8
	}
	return code
}

// data takes a frame of a text message; whole messages are dispatched.
func (c *conn) data(h ws.Header, payload []byte) {
	if !h.Fin || h.OpCode == ws.OpContinuation {
		in := c.inbox()
		in.message = append(in.message, payload...)
		in.fragmented = !h.Fin
		if !h.Fin {
			return
		}
		payload, in.message = in.message, nil
	}
	if !utf8.Valid(payload) {
		c.fail(wire.CloseInvalidUTF8)
		return
	}
	c.dispatch(payload)
}

// endlessMessage bounds a message when its limit is switched off.
const endlessMessage = 64 << 20

func (h *Hub) maxMessage() int {
	if h.cfg.Limits.MaxMessage > 0 {
		return h.cfg.Limits.MaxMessage
	}
	return endlessMessage
}
