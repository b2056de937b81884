package client

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/breakwater-chat/breakwater/wire"
)

// maxMessage bounds what a server may send as one message, in bytes: a resume of
// 500 messages whose every character is escaped is below it.
const maxMessage = 16 << 20

// keepBuffer is how much of its buffer a reader keeps between messages, in bytes.
const keepBuffer = 4 << 10

// appendFrame appends a whole frame as a client sends it: masked (RFC 6455,
// section 5.3).
func appendFrame(dst []byte, op byte, payload []byte) []byte {
	const maskBit = 0x80
	start := len(dst)
	dst = wire.AppendFrameHeader(dst, op, len(payload))
	dst[start+1] |= maskBit
	var mask [4]byte
	binary.NativeEndian.PutUint32(mask[:], rand.Uint32())
	dst = append(dst, mask[:]...)
	dst = append(dst, payload...)
	ws.Cipher(dst[len(dst)-len(payload):], mask, 0)
	return dst
}

// appendClose appends the client's close frame.
func appendClose(dst []byte, code wire.CloseCode) []byte {
	if !code.Sendable() {
		return appendFrame(dst, wire.OpClose, nil)
	}
	return appendFrame(dst, wire.OpClose, binary.BigEndian.AppendUint16(nil, uint16(code)))
}

// frameReader reads whole messages from a server.
type frameReader struct {
	src     *bufio.Reader
	message bytes.Buffer
	state   ws.State // what may come next
}

func newFrameReader(src io.Reader) *frameReader {
	const size = 2 << 10 // most frames are smaller; there may be thousands of readers
	return &frameReader{src: bufio.NewReaderSize(src, size), state: ws.StateClientSide}
}

// next returns the next control frame or whole text message. The payload is
// valid until the next call. An error means that the stream is of no use any more.
func (r *frameReader) next() (op byte, payload []byte, err error) {
	if !r.state.Fragmented() {
		if r.message.Reset(); r.message.Cap() > keepBuffer {
			r.message = bytes.Buffer{}
		}
	}
	for {
		h, err := ws.ReadHeader(r.src)
		if err != nil {
			return 0, nil, err
		}
		if err := ws.CheckHeader(h, r.state); err != nil {
			return 0, nil, err
		}
		if h.OpCode.IsControl() {
			control := make([]byte, h.Length)
			if _, err := io.ReadFull(r.src, control); err != nil {
				return 0, nil, err
			}
			return byte(h.OpCode), control, nil
		}
		if h.OpCode == ws.OpBinary {
			return 0, nil, errors.New("the server sent a binary message")
		}
		if h.Length > maxMessage-int64(r.message.Len()) {
			return 0, nil, fmt.Errorf("the server sent a message of more than %d bytes", maxMessage)
		}
		// It grows as bytes arrive, not by what the header announces.
		if _, err := io.CopyN(&r.message, r.src, h.Length); err != nil {
			return 0, nil, err
		}
		if r.state = r.state.Clear(ws.StateFragmented); !h.Fin {
			r.state = r.state.Set(ws.StateFragmented)
			continue
		}
		if !utf8.Valid(r.message.Bytes()) {
			return 0, nil, errors.New("the server sent what is no UTF-8")
		}
		return wire.OpText, r.message.Bytes(), nil
	}
}

// closeCode reads the payload of a close frame.
func closeCode(payload []byte) wire.CloseCode {
	if len(payload) < 2 {
		return wire.CloseNoStatus
	}
	return wire.CloseCode(binary.BigEndian.Uint16(payload))
}
