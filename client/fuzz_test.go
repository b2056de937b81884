package client

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// FuzzWhatAServerMaySend hands a client the bytes of a connection: whatever they
// are, nothing panics, nothing hangs, and the messages of a room are told in
// order unless a Reset is.
func FuzzWhatAServerMaySend(f *testing.F) {
	frame := func(payload []byte) []byte {
		return append(wire.AppendFrameHeader(nil, wire.OpText, len(payload)), payload...)
	}
	add := func(payloads ...[]byte) {
		var stream []byte
		for _, p := range payloads {
			stream = append(stream, frame(p)...)
		}
		f.Add(stream)
	}
	add(joined(1, 2, false, messages(1, 2)...), live(1, 3), live(1, 5))
	add(joined(1, 0, false), wire.AppendGap(nil, 1, 1, 1, 9), wire.AppendHistory(nil, "~2", 1, messages(1, 9), 3))
	add(joined(1, 9, true), joinedAs("~1", 1, bw.Position{Epoch: 2, Seq: 1}, false, message(1, 1)))
	add(joined(1, 0, false), ack(wire.ClientFrame{ID: "a", Room: 1}, 1, true), refuse("a", bw.Unavailable, -1))
	add([]byte(`{"type":"joined","room":1,"epoch":-1,"seq":9223372036854775807}`), []byte(`{"type":"gap","room":1,"to":9223372036854775807}`))
	add([]byte(`{"type":"message","room":1,"seq":-9223372036854775808}`), wire.AppendDrain(nil, -time.Hour))
	add(joined(1, 0, false), []byte(`{"type":"error","code":"no_such_room"}`), []byte(`{"type":"error","id":"a","code":"not_in_room"}`))
	f.Add(append(ping("x"), wire.AppendCloseFrame(nil, wire.CloseFrameTooBig, "")...))
	f.Add(append(fragment(false, wire.OpText, `{"type":`), fragment(true, wire.OpContinuation, `"drain","within_ms":1}`)...))

	f.Fuzz(func(t *testing.T, stream []byte) {
		order := map[bw.RoomID]bw.Seq{}
		c, err := New(Config{
			URL: "http://chat.test", User: "Ann", Token: StaticToken("x"),
			Dial: func(context.Context, string, string) (net.Conn, error) { return nil, io.EOF },
			OnEvent: func(e Event) {
				switch e := e.(type) {
				case Reset:
					delete(order, e.Room)
				case Message:
					if last, ok := order[e.Room]; ok && e.Seq <= last {
						t.Errorf("got message %d of room %d after %d", e.Seq, e.Room, last)
					}
					order[e.Room] = e.Seq
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		near, far := net.Pipe()
		defer far.Close()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		s := &session{c: c, room: 1, rooms: map[bw.RoomID]bool{1: false}, ctx: c.ctx, cancel: func() {}}
		c.mu.Lock()
		c.rooms[1] = newFeed(c, 1)
		c.order = append(c.order, c.rooms[1])
		c.link.next, s.conn, s.openedAt = s, near, time.Now()
		c.opened(s)
		c.unlockAndDeliver()
		if err := c.Post(1, "a", "hello", nil); err != nil {
			t.Fatal(err)
		}
		code := s.read(newFrameReader(bytes.NewReader(stream)))
		c.mu.Lock()
		s.finish(code)
		s.ended = true
		c.lost(s, code)
		c.unlockAndDeliver()
		_ = near.Close()
	})
}
