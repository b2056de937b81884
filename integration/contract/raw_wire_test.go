package contract

import (
	"encoding/binary"
	"fmt"
	"net"
)

// Opcodes and bits of RFC 6455, section 5.2.
const (
	rawContinuation = 0x0
	rawText         = 0x1
	rawBinary       = 0x2
	rawClose        = 0x8
	rawPing         = 0x9
	rawPong         = 0xa
	rawFin          = 0x80
	rawMasked       = 0x80
	rawMaxMessage   = 16 << 10
)

// rawMask is the masking key of the RFC's example in section 5.7.
var rawMask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// rawFrame makes a masked frame; first is its first byte.
func rawFrame(first byte, payload string) []byte {
	return append(rawHeader(first, len(payload)), rawMaskedWith(rawMask, payload)...)
}

// rawHeader makes the header of a masked frame, the shortest that there is.
func rawHeader(first byte, length int) []byte {
	switch {
	case length < 126:
		return append([]byte{first, rawMasked | byte(length)}, rawMask[:]...)
	case length <= 0xffff:
		return rawHeader16(first, length)
	default:
		return rawHeader64(first, uint64(length))
	}
}

// rawHeader16 has a length of 16 bits, whether it needs them or not.
func rawHeader16(first byte, length int) []byte {
	h := binary.BigEndian.AppendUint16([]byte{first, rawMasked | 126}, uint16(length))
	return append(h, rawMask[:]...)
}

// rawHeader64 has a length of 64 bits, whether it needs them or not.
func rawHeader64(first byte, length uint64) []byte {
	h := binary.BigEndian.AppendUint64([]byte{first, rawMasked | 127}, length)
	return append(h, rawMask[:]...)
}

func rawMaskedWith(mask [4]byte, payload string) []byte {
	masked := []byte(payload)
	for i := range masked {
		masked[i] ^= mask[i%4]
	}
	return masked
}

// rawAsk is the payload of a request whose answer shows that it was read, and when.
func rawAsk(id string) string { return fmt.Sprintf(`{"type":"history","id":%q,"limit":1}`, id) }

func rawSend(id, text string) string {
	return fmt.Sprintf(`{"type":"send","id":%q,"text":%s}`, id, quote(text))
}

func rawTextFrame(payload string) []byte { return rawFrame(rawFin|rawText, payload) }

// rawCloseBody is that of a close frame (RFC 6455, section 5.5.1).
func rawCloseBody(code int, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
}

// rawCork is a TCP connection that can hold writes back, to send them in one segment.
type rawCork struct {
	net.Conn
	held  []byte
	holds bool
}

func (c *rawCork) Write(p []byte) (int, error) {
	if c.holds {
		c.held = append(c.held, p...)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// hold keeps what is written from now on.
func (c *rawCork) hold() { c.holds = true }

// release sends what was kept.
func (c *rawCork) release() error {
	c.holds = false
	_, err := c.Conn.Write(c.held)
	c.held = nil
	return err
}
