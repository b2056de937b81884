package wire_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/breakwater-chat/breakwater/wire"
)

func TestFrameHeaders(t *testing.T) {
	for _, row := range []struct {
		name   string
		opcode byte
		length int
		want   []byte
	}{
		{"an empty text", wire.OpText, 0, []byte{0x81, 0}},
		{"the longest short one", wire.OpText, 125, []byte{0x81, 125}},
		{"the first of 16 bits", wire.OpText, 126, []byte{0x81, 126, 0, 126}},
		{"the last of 16 bits", wire.OpText, 65535, []byte{0x81, 126, 0xFF, 0xFF}},
		{"the first of 64 bits", wire.OpText, 65536, []byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
		{"a ping", wire.OpPing, 4, []byte{0x89, 4}},
		{"a pong", wire.OpPong, 4, []byte{0x8A, 4}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := wire.AppendFrameHeader([]byte("x"), row.opcode, row.length)
			if want := append([]byte("x"), row.want...); !bytes.Equal(got, want) {
				t.Errorf("got % x, want % x", got, want)
			}
		})
	}
}

// FuzzFrameHeader holds the headers against another implementation.
func FuzzFrameHeader(f *testing.F) {
	for _, length := range []uint32{0, 1, 125, 126, 65535, 65536, 1 << 31} {
		f.Add(wire.OpText, length)
	}
	f.Add(wire.OpClose, uint32(2))
	f.Fuzz(func(t *testing.T, opcode byte, length uint32) {
		opcode &= 0x0F
		got := wire.AppendFrameHeader(nil, opcode, int(length))
		header, err := ws.ReadHeader(bytes.NewReader(got))
		if err != nil {
			t.Fatalf("opcode %d, length %d: got % x that cannot be read: %v", opcode, length, got, err)
		}
		want := ws.Header{Fin: true, OpCode: ws.OpCode(opcode), Length: int64(length)}
		if header != want {
			t.Fatalf("got %+v, want %+v", header, want)
		}
		var other bytes.Buffer
		if err := ws.WriteHeader(&other, want); err != nil || !bytes.Equal(got, other.Bytes()) {
			t.Fatalf("got % x, gobwas/ws writes % x (%v)", got, other.Bytes(), err)
		}
		if len(got) > wire.MaxFrameHeader {
			t.Fatalf("got %d bytes, want at most %d", len(got), wire.MaxFrameHeader)
		}
	})
}

func TestCloseFrames(t *testing.T) {
	for _, row := range []struct {
		name   string
		code   wire.CloseCode
		reason string
		want   []byte
	}{
		{"with a reason", wire.CloseDraining, "draining", append([]byte{0x88, 10, 0x10, 0x68}, "draining"...)},
		{"without a reason", wire.CloseNormal, "", []byte{0x88, 2, 0x03, 0xE8}},
		{"without a code", wire.CloseNoStatus, "never told", []byte{0x88, 0}},
		{"with a code that does not exist", 999, "never told", []byte{0x88, 0}},
		{"with a long reason", wire.CloseNormal, strings.Repeat("x", 200), append([]byte{0x88, 125, 0x03, 0xE8}, strings.Repeat("x", 123)...)},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := wire.AppendCloseFrame(nil, row.code, row.reason); !bytes.Equal(got, row.want) {
				t.Errorf("got % x, want % x", got, row.want)
			}
		})
	}
}

func TestCloseReasonIsCutBetweenCharacters(t *testing.T) {
	for pad := range 4 {
		frame := wire.AppendCloseFrame(nil, wire.CloseNormal, strings.Repeat("x", pad)+strings.Repeat("😀", 50))
		reason := frame[4:]
		if len(frame) > 2+wire.MaxControlPayload || !utf8.Valid(reason) || len(reason) < 120 {
			t.Errorf("got a reason of %d bytes, valid %t, want nearly 123 and valid", len(reason), utf8.Valid(reason))
		}
	}
}
