//go:build linux

package main

import "encoding/binary"

// Opcodes of RFC 6455, section 5.2.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// frame is one WebSocket frame in a buffer of received bytes.
type frame struct {
	opcode  byte
	payload []byte
	// size is what the whole frame takes, header included.
	size int
}

// parseFrame reads the frame at the start of b; it reports false while bytes
// are missing. The mask, if any, is taken off in place.
func parseFrame(b []byte) (frame, bool) {
	if len(b) < 2 {
		return frame{}, false
	}
	header, length := 2, int(b[1]&0x7f)
	switch length {
	case 126:
		if len(b) < 4 {
			return frame{}, false
		}
		header, length = 4, int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if len(b) < 10 {
			return frame{}, false
		}
		header, length = 10, int(binary.BigEndian.Uint64(b[2:]))
	}
	masked := b[1]&0x80 != 0
	if masked {
		header += 4
	}
	if len(b) < header+length {
		return frame{}, false
	}
	f := frame{opcode: b[0] & 0x0f, payload: b[header : header+length], size: header + length}
	if masked {
		mask(f.payload, b[header-4:header])
	}
	return f, true
}

// appendServerFrame adds an unmasked text frame.
func appendServerFrame(dst, payload []byte) []byte {
	dst = append(dst, 0x80|opText)
	if len(payload) < 126 {
		dst = append(dst, byte(len(payload)))
	} else {
		dst = append(dst, 126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(payload)))
	}
	return append(dst, payload...)
}

// appendClientFrame adds a masked frame (RFC 6455, section 5.3).
func appendClientFrame(dst []byte, opcode byte, payload []byte) []byte {
	key := [4]byte{0x5b, 0xd1, 0x07, 0xe6}
	dst = append(dst, 0x80|opcode)
	if len(payload) < 126 {
		dst = append(dst, 0x80|byte(len(payload)))
	} else {
		dst = append(dst, 0x80|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(payload)))
	}
	dst = append(dst, key[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	mask(dst[start:], key[:])
	return dst
}

func mask(b, key []byte) {
	for i := range b {
		b[i] ^= key[i&3]
	}
}
