package drill

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/oracle"
	"github.com/breakwater-chat/breakwater/wire"
)

// A stream is cut into the same messages however its bytes arrive.
func TestFramesAreCutWhereverTheBytesEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		var want []string
		stream = append(stream, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"...)
		for _, size := range rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 125, 126, 70_000}), 1, 6).Draw(t, "sizes") {
			text := strings.Repeat("a", size)
			want = append(want, text)
			stream = wire.AppendFrameHeader(stream, wire.OpText, size)
			if rapid.Bool().Draw(t, "masked") {
				stream[len(stream)-headerTail(size)] |= maskBit
				mask := []byte{1, 2, 3, 4}
				stream = append(stream, mask...)
				for i := range size {
					stream = append(stream, text[i]^mask[i%4])
				}
				continue
			}
			stream = append(stream, text...)
		}
		var got []string
		f := frames{head: func([]byte) {}, message: func(_ byte, payload []byte) { got = append(got, string(payload)) }}
		for len(stream) > 0 {
			n := rapid.IntRange(1, min(len(stream), 40_000)).Draw(t, "bytes")
			f.feed(bytes.Clone(stream[:n]))
			stream = stream[n:]
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %d messages, want %d, or others", len(got), len(want))
		}
	})
}

// headerTail is how far the byte with the mask's bit is from the header's end.
func headerTail(size int) int {
	switch {
	case size < 126:
		return 1
	case size < 1<<16:
		return 3
	default:
		return 9
	}
}

// A connection's story is told as the oracle wants it, and nothing behind its end.
func TestTapTellsAConnectionsStory(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	r := newRecord(bounds())
	s := &seat{name: "ann/1", user: "ann", record: r}
	conn, err := s.tapped(func(context.Context, string, string) (net.Conn, error) { return near, nil })(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	write := func(p []byte) {
		t.Helper()
		done := make(chan error, 1)
		go func() { _, err := conn.Write(p); done <- err }()
		if _, err := far.Read(make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	read := func(p []byte) {
		t.Helper()
		go func() { _, _ = far.Write(p) }()
		if _, err := conn.Read(make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
	}
	frame := func(payload []byte) []byte {
		return append(wire.AppendFrameHeader(nil, wire.OpText, len(payload)), payload...)
	}
	write([]byte("GET /v1/chatrooms/7/join?user=ann&since=3&epoch=1 HTTP/1.1\r\nHost: h\r\n\r\n"))
	read([]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
	read(frame(wire.AppendJoinedTail(wire.AppendJoinedHead(nil, "", 7, bw.Position{Epoch: 1, Seq: 3}, true), 1)))
	write(frame(wire.AppendClientFrame(nil, &wire.ClientFrame{Type: wire.TypeSend, ID: "m-1", Room: 7, Text: "hello"})))
	read(frame(wire.AppendMessage(nil, &bw.Message{Room: 7, Epoch: 1, Seq: 4, ID: "m-1", User: "ann", Text: "hello", Timestamp: bw.MillisOf(time.Now())})))
	read(frame(wire.AppendAck(nil, "m-1", 7, bw.Position{Epoch: 1, Seq: 4}, 0, false)))
	read(frame(wire.AppendPresence(nil, 7, 1, []bw.Name{"bob"}, nil)))
	read(wire.AppendCloseFrame(nil, wire.CloseDraining, ""))
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	history, wrong := r.all()
	var got []string
	for _, e := range history[1:] { // the first is the run's
		got = append(got, fmt.Sprintf("%s %s%s", e.Kind, e.ID, e.Code))
	}
	want := []string{"connected ", "joined ", "sent m-1", "received m-1", "acked m-1", "came ", "closed 4200"}
	if !slices.Equal(got, want) || len(wrong) > 0 {
		t.Errorf("got %q and complaints %q, want %q and none", got, wrong, want)
	}
	if j := history[2]; j.Since != 3 || !j.Recovered || j.Room != 7 || j.Kind != oracle.Joined {
		t.Errorf("the join: got %+v, want it to go on behind seq 3 of room 7", j)
	}
}
