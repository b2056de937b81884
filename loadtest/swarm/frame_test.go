package swarm

import (
	"bytes"
	"io"
	"testing"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"github.com/breakwater-chat/breakwater/wire"
)

// FuzzCut holds the cutting of frames against another implementation's.
func FuzzCut(f *testing.F) {
	f.Add(append(wire.AppendFrameHeader(nil, wire.OpText, 2), "{}..."...))
	f.Add(append(wire.AppendFrameHeader(nil, wire.OpText, 300), make([]byte, 299)...))
	f.Add(append(wire.AppendFrameHeader(nil, wire.OpText, 70_000), make([]byte, 70_000)...))
	f.Add(wire.AppendCloseFrame(nil, wire.CloseDraining, "soon"))
	f.Add([]byte{0x09, 0x00})
	f.Add([]byte{0x81, 0x80, 1, 2, 3, 4})
	f.Add([]byte{0x81, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok, err := cut(b)
		r := bytes.NewReader(b)
		header, headerErr := ws.ReadHeader(r)
		size := len(b) - r.Len() // which may be more than the length needs
		if err != nil {
			if ok {
				t.Fatal("got a frame and an error")
			}
			wrong := len(b) > 1 && (b[0]&rsvBits != 0 || b[1]&maskBit != 0)
			if !wrong && headerErr == nil && header.Length < maxFrame && (!header.OpCode.IsControl() || header.Fin && header.Length <= wire.MaxControlPayload) {
				t.Fatalf("got the error %v for a frame that is none of the forbidden: %+v", err, header)
			}
			return
		}
		whole := headerErr == nil && int64(size)+header.Length <= int64(len(b))
		if ok != whole {
			t.Fatalf("got a whole frame: %t, want %t (%+v, %v)", ok, whole, header, headerErr)
		}
		if !ok {
			return
		}
		want := b[size:][:header.Length]
		if got.fin != header.Fin || got.opcode != byte(header.OpCode) || !bytes.Equal(got.payload, want) {
			t.Fatalf("got %+v, want %+v with %q", got, header, want)
		}
		if got.size != size+len(want) {
			t.Fatalf("got the size %d, want that of %+v", got.size, header)
		}
	})
}

// TestFramesOfTheClientAreReadByOthers has another implementation read and unmask them.
func TestFramesOfTheClientAreReadByOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOfN(rapid.Byte(), 0, 70_000).Draw(t, "payload")
		opcode := rapid.SampledFrom([]byte{wire.OpText, wire.OpPong, wire.OpClose}).Draw(t, "opcode")
		key := rapid.Uint32().Draw(t, "key")
		before := []byte("before")
		r := bytes.NewReader(appendFrame(before, opcode, payload, key)[len(before):])
		header, err := ws.ReadHeader(r)
		if err != nil {
			t.Fatal(err)
		}
		if !header.Masked || !header.Fin || byte(header.OpCode) != opcode || header.Length != int64(len(payload)) {
			t.Fatalf("got the header %+v, want a masked and whole frame of opcode %d with %d bytes", header, opcode, len(payload))
		}
		got, _ := io.ReadAll(r)
		if ws.Cipher(got, header.Mask, 0); !bytes.Equal(got, payload) {
			t.Fatalf("got the payload %q, want %q", got, payload)
		}
	})
}
