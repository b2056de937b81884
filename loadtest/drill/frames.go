package drill

import (
	"bytes"
	"encoding/binary"

	"github.com/breakwater-chat/breakwater/wire"
)

// frames cuts one direction of a WebSocket, behind its HTTP head, into messages (RFC
// 6455, section 5.2). What breaks the protocol the client finds itself; here it ends
// the cutting.
type frames struct {
	// head is told the HTTP head once, message each whole message or control frame.
	head    func([]byte)
	message func(op byte, payload []byte)

	pending []byte // what is no whole frame yet
	begun   bool   // the HTTP head is behind
	whole   []byte // fragments so far
	broken  bool
}

// feed takes what was read or is about to be written.
func (f *frames) feed(p []byte) {
	if f.broken {
		return
	}
	f.pending = append(f.pending, p...)
	if !f.begun {
		end := bytes.Index(f.pending, []byte("\r\n\r\n"))
		if end < 0 {
			return
		}
		f.begun = true
		f.head(f.pending[:end])
		f.pending = f.pending[end+4:]
	}
	for f.cut() {
	}
	if len(f.pending) == 0 {
		f.pending = nil // there may be thousands
	}
}

// Bits of a frame's first two bytes.
const (
	finBit, opBits      = 0x80, 0x0f
	maskBit, lengthBits = 0x80, 0x7f
)

// cut takes one frame off; false if there is no whole one.
func (f *frames) cut() bool {
	p := f.pending
	if len(p) < 2 {
		return false
	}
	length, at := uint64(p[1]&lengthBits), 2
	switch length {
	case 126:
		if len(p) < 4 {
			return false
		}
		length, at = uint64(binary.BigEndian.Uint16(p[2:])), 4
	case 127:
		if len(p) < 10 {
			return false
		}
		length, at = binary.BigEndian.Uint64(p[2:]), 10
	}
	var mask []byte
	if p[1]&maskBit != 0 {
		at += 4
		if len(p) < at {
			return false
		}
		mask = p[at-4 : at]
	}
	if uint64(len(p)-at) < length {
		return false
	}
	payload := bytes.Clone(p[at : at+int(length)])
	for i := range mask {
		for j := i; j < len(payload); j += len(mask) {
			payload[j] ^= mask[i]
		}
	}
	f.pending = p[at+int(length):]
	f.fragment(p[0]&opBits, p[0]&finBit != 0, payload)
	return true
}

func (f *frames) fragment(op byte, fin bool, payload []byte) {
	switch {
	case op >= wire.OpClose: // control frames may stand between fragments
		f.message(op, payload)
	case fin:
		f.message(wire.OpText, append(f.whole, payload...))
		f.whole = nil
	default:
		f.whole = append(f.whole, payload...)
	}
}
