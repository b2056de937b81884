package wire

import (
	"encoding/binary"
	"unicode/utf8"
)

// Opcodes of RFC 6455, section 5.2.
const (
	OpContinuation byte = 0x0
	OpText         byte = 0x1
	OpBinary       byte = 0x2
	OpClose        byte = 0x8
	OpPing         byte = 0x9
	OpPong         byte = 0xA
)

const (
	// MaxFrameHeader is the most that AppendFrameHeader appends, in bytes.
	MaxFrameHeader = 10
	// MaxControlPayload bounds the payload of a control frame, in bytes (RFC
	// 6455, section 5.5).
	MaxControlPayload = 125

	finBit        = 0x80
	len16, len64  = 126, 127
	closeCodeSize = 2
)

// AppendFrameHeader appends the header of a whole message in one frame, FIN
// set, unmasked as a server sends it (RFC 6455, section 5.2). The length is
// not negative.
func AppendFrameHeader(dst []byte, opcode byte, payloadLen int) []byte {
	dst = append(dst, finBit|opcode)
	switch {
	case payloadLen < len16:
		return append(dst, byte(payloadLen))
	case payloadLen <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(dst, len16), uint16(payloadLen))
	default:
		return binary.BigEndian.AppendUint64(append(dst, len64), uint64(payloadLen))
	}
}

// AppendCloseFrame appends a whole close frame (RFC 6455, section 5.5.1). A
// code that may not stand on the wire, such as CloseNoStatus, gives a close
// frame without payload. A reason that does not fit is cut between characters.
func AppendCloseFrame(dst []byte, code CloseCode, reason string) []byte {
	if !code.Sendable() {
		return AppendFrameHeader(dst, OpClose, 0)
	}
	reason = cutText(reason, MaxControlPayload-closeCodeSize)
	dst = AppendFrameHeader(dst, OpClose, closeCodeSize+len(reason))
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}

// cutText returns the longest beginning of at most limit bytes that does not
// end within a character.
func cutText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
