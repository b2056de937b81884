package wire_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// anyText draws what a client may write, with the characters that an escaper
// is most likely to get wrong.
func anyText() *rapid.Generator[string] {
	tricky := rapid.SampledFrom([]rune{0, '\n', '\t', '\r', '"', '\\', '/', '<', 0x7F, 0x80, '\u2027', '\u2028', '\u2029', '\u202A', '\uFEFF', '\uFFFD', '\uFFFF', '𐀀', '\U0010FFFF'})
	return rapid.StringOf(rapid.OneOf(rapid.Rune(), tricky))
}

func TestAnyMessageReadsBackTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := bw.Message{
			Room:      bw.RoomID(rapid.Int64().Draw(t, "room")),
			Epoch:     bw.Epoch(rapid.Int64().Draw(t, "epoch")),
			Seq:       bw.Seq(rapid.Int64().Draw(t, "seq")),
			ID:        bw.MessageID(anyText().Draw(t, "id")),
			User:      bw.Name(anyText().Draw(t, "user")),
			Text:      anyText().Draw(t, "text"),
			Timestamp: bw.Millis(rapid.Int64().Draw(t, "timestamp")),
		}
		frame := wire.AppendMessage(nil, &m)
		if !bytes.HasPrefix(frame, []byte(`{"type":"message",`)) {
			t.Fatalf("got %s, want the type first", frame)
		}
		if bytes.ContainsAny(frame, "\u2028\u2029\n\r") {
			t.Fatalf("got %q, want nothing in it that ends a line", frame)
		}
		var got bw.Message
		if err := json.Unmarshal(frame, &got); err != nil || got != m {
			t.Fatalf("got %+v (%v), want %+v", got, err, m)
		}
	})
}

func TestBrokenBytesStillMakeJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		for _, out := range [][]byte{
			wire.AppendTyping(nil, 1, bw.Name(raw)),
			wire.AppendError(nil, raw, bw.Errorf(bw.BadJSON, "%s", raw)),
			wire.AppendPresence(nil, 1, 1, []bw.Name{bw.Name(raw)}, nil),
		} {
			if !jsontext.Value(out).IsValid() || !utf8.Valid(out) {
				t.Fatalf("got %q, want valid JSON", out)
			}
		}
		var frame struct{ User string }
		if err := json.Unmarshal(wire.AppendTyping(nil, 1, bw.Name(raw)), &frame); err != nil {
			t.Fatal(err)
		}
		// The standard library mends a string in the same way, byte by byte.
		if want := string([]rune(raw)); frame.User != want {
			t.Fatalf("got %q, want %q", frame.User, want)
		}
	})
}

// Whatever a client wrote comes back as it was, however its library escapes.
func TestAnySendParses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[a-zA-Z0-9 "\\/_-]{1,64}`).Draw(t, "id")
		text := anyText().Filter(func(s string) bool {
			return strings.TrimSpace(s) != "" && len(s) <= wire.MaxText
		}).Draw(t, "text")
		room := rapid.Int64Range(1, 1<<31-1).Draw(t, "room")
		payload, err := json.Marshal(map[string]any{"type": "send", "id": id, "room": room, "text": text})
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.ParseClientFrame(payload)
		if err != nil || got.ID != id || got.Text != text || got.Room != bw.RoomID(room) {
			t.Fatalf("got %+v (%v), want %q, %q in room %d", got, err, id, text, room)
		}
	})
}

func TestAppendKeepsWhatWasThere(t *testing.T) {
	const before = "before"
	m := exampleMessage()
	for name, out := range map[string][]byte{
		"message": wire.AppendMessage([]byte(before), &m),
		"ack":     wire.AppendAck([]byte(before), "a", 1, m.Position(), 1, false),
		"error":   wire.AppendError([]byte(before), "a", bw.Errorf(bw.BadJSON, "No.")),
		"close":   wire.AppendCloseFrame([]byte(before), wire.CloseNormal, ""),
	} {
		if !bytes.HasPrefix(out, []byte(before)) {
			t.Errorf("%s: got %q, want it behind %q", name, out, before)
		}
	}
}

// The hot path: once a message and server.
func TestAppendingAllocatesNothing(t *testing.T) {
	m := exampleMessage()
	names := []bw.Name{"Ada", "Åsa"}
	buffer := make([]byte, 0, 1024)
	for name, appended := range map[string]func(){
		"message":  func() { wire.AppendMessage(buffer, &m) },
		"ack":      func() { wire.AppendAck(buffer, "a", 1, m.Position(), 1, false) },
		"presence": func() { wire.AppendPresence(buffer, 1, 2, names, nil) },
		"typing":   func() { wire.AppendTyping(buffer, 1, "Ada") },
		"header":   func() { wire.AppendFrameHeader(buffer, wire.OpText, 70000) },
	} {
		if got := testing.AllocsPerRun(100, appended); got != 0 {
			t.Errorf("%s: got %v allocations, want none", name, got)
		}
	}
}
