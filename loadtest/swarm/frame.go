package swarm

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/breakwater-chat/breakwater/wire"
)

// maxFrame bounds a frame, in bytes: a playback of 500 messages of 4,096 bytes has 2.3 MiB.
const maxFrame = 16 << 20

// Bits of a frame's header (RFC 6455, section 5.2).
const (
	finBit, rsvBits, opcodeBits = 0x80, 0x70, 0x0F
	maskBit, lengthBits         = 0x80, 0x7F
	length16, length64          = 126, 127
)

// frame is one frame in a buffer of received bytes.
type frame struct {
	fin     bool
	opcode  byte
	payload []byte
	// size is what the whole frame takes, its header included.
	size int
}

// cut finds the frame at the start of b; ok is false while bytes are missing. The
// error says what a server must not send.
func cut(b []byte) (f frame, ok bool, err error) {
	if len(b) < 2 {
		return frame{}, false, nil
	}
	if b[0]&rsvBits != 0 || b[1]&maskBit != 0 {
		return frame{}, false, fmt.Errorf("a frame of the server begins with %02x %02x", b[0], b[1])
	}
	header, length := 2, uint64(b[1]&lengthBits)
	switch {
	case length == length16 && len(b) >= 4:
		header, length = 4, uint64(binary.BigEndian.Uint16(b[2:]))
	case length == length64 && len(b) >= 10:
		header, length = 10, binary.BigEndian.Uint64(b[2:])
	case length >= length16:
		return frame{}, false, nil
	}
	f = frame{fin: b[0]&finBit != 0, opcode: b[0] & opcodeBits}
	if length >= maxFrame {
		return frame{}, false, fmt.Errorf("a frame of the server has %d bytes", length)
	}
	f.size = header + int(length)
	if f.opcode >= wire.OpClose && (!f.fin || length > wire.MaxControlPayload) {
		return frame{}, false, errors.New("a control frame of the server is in parts or too long")
	}
	if len(b) < f.size {
		return frame{}, false, nil
	}
	f.payload = b[header:f.size]
	return f, true, nil
}

// appendFrame appends a whole message as a client sends it: masked with the key
// (RFC 6455, section 5.3).
func appendFrame(dst []byte, opcode byte, payload []byte, key uint32) []byte {
	start := len(dst)
	dst = wire.AppendFrameHeader(dst, opcode, len(payload))
	dst[start+1] |= maskBit
	dst = binary.LittleEndian.AppendUint32(dst, key)
	start = len(dst)
	dst = append(dst, payload...)
	body := dst[start:]
	for ; len(body) >= 4; body = body[4:] {
		binary.LittleEndian.PutUint32(body, binary.LittleEndian.Uint32(body)^key)
	}
	for i := range body {
		body[i] ^= byte(key >> (8 * i))
	}
	return dst
}

// closeCode is the code of a close frame's payload.
func closeCode(payload []byte) wire.CloseCode {
	if len(payload) < 2 {
		return wire.CloseNoStatus
	}
	return wire.CloseCode(binary.BigEndian.Uint16(payload))
}
