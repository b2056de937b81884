package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/server/live"
)

// dialRaw joins without a client's manners.
func (s *stand) dialRaw(user string, room bw.RoomID) net.Conn {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	nc, _, _, err := ws.Dial(ctx, fmt.Sprintf("ws%s/?user=%s&room=%d", strings.TrimPrefix(s.url, "http"), user, room))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = nc.Close() })
	return nc
}

func masked(f ws.Frame, times int) []byte {
	one := ws.MustCompileFrame(ws.MaskFrame(f))
	all := make([]byte, 0, times*len(one))
	for range times {
		all = append(all, one...)
	}
	return all
}

// TestAFloodDelaysNobody: frames that cost their sender nothing come without
// end, and another connection on the same loop is served.
func TestAFloodDelaysNobody(t *testing.T) {
	s := newStand(t, func(c *live.Config) { c.Loops = 1 })
	room := s.room("hall")
	flood := s.dialRaw("eve", room)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pongs := masked(ws.NewPongFrame(nil), 100_000); ; {
			if _, err := flood.Write(pongs); err != nil {
				return
			}
		}
	}()
	ada, _ := s.join("ada", room, "")
	for n := range 20 {
		ada.say(`{"type":"send","id":"m%d","text":"x"}`, n)
		ada.await("ack")
	}
	_ = flood.Close()
	<-done
}

func TestATypingFloodIsClosed(t *testing.T) {
	s := newStand(t, nil)
	room := s.room("hall")
	p, _ := s.join("ada", room, "")
	for range 500 { // a fast typist's client tells each key
		p.say(`{"type":"typing"}`)
	}
	p.say(`{"type":"send","id":"1","text":"x"}`)
	p.await("ack")
	flood := s.dialRaw("eve", room)
	if _, err := flood.Write(masked(ws.NewTextFrame([]byte(`{"type":"typing"}`)), 5_000)); err != nil {
		t.Fatal(err)
	}
	for {
		h, err := ws.ReadHeader(flood)
		payload := make([]byte, h.Length)
		if _, short := io.ReadFull(flood, payload); err != nil || short != nil {
			t.Fatal(err, short)
		}
		if h.OpCode == ws.OpClose {
			if code, _ := ws.ParseCloseFrameData(payload); code != 4102 {
				t.Errorf("a flood of typing closes with %d, want 4102", code)
			}
			return
		}
	}
}

// TestAnswersThatNobodyTakesAreBounded: while too much waits for slow
// connections, what would add to it is refused, and the rest goes on.
func TestAnswersThatNobodyTakesAreBounded(t *testing.T) {
	s := newStand(t, func(c *live.Config) { c.MaxQueued = 64 << 10 })
	room := s.room("hall")
	ada, _ := s.join("ada", room, "")
	for n := range 60 {
		ada.say(`{"type":"send","id":"m%d","text":"%s"}`, n, strings.Repeat("x", 4_000))
		ada.await("ack")
	}
	slow := s.dialRaw("eve", room)
	if _, err := slow.Write(masked(ws.NewTextFrame([]byte(`{"type":"history","id":"h","limit":50}`)), 100)); err != nil {
		t.Fatal(err)
	}
	s.until("a page is refused", func() bool { // sooner or later the socket takes no more
		ada.say(`{"type":"history","id":"page"}`)
		for {
			switch f, err := ada.read(); {
			case err != nil:
				t.Fatal(err)
			case f.Type == "error" && f.Code == "unavailable" && f.ID == "page":
				return true
			case f.Type == "history":
				return false
			}
		}
	})
	s.until("a new connection is refused", func() bool { return bw.KindOf(s.hub.Ready()) == bw.Overloaded })
	ada.say(`{"type":"send","id":"more","text":"x"}`)
	ada.await("ack")
	_ = slow.Close()
	s.until("a new connection is admitted", func() bool { return s.hub.Ready() == nil })
	ada.say(`{"type":"history","id":"page"}`)
	if f := ada.await("history"); len(f.Messages) != 50 {
		t.Errorf("got a page of %d messages, want 50", len(f.Messages))
	}
}

// TestWhatIsHeldElsewhereCounts: pages of HTTP share the budget until they are written.
func TestWhatIsHeldElsewhereCounts(t *testing.T) {
	s := newStand(t, func(c *live.Config) { c.MaxQueued = 1 << 20 })
	release := s.hub.Hold(2 << 20)
	if _, err := s.hub.TakeTurn(t.Context()); bw.KindOf(err) != bw.Unavailable {
		t.Errorf("got %v for a further page, want unavailable", err)
	}
	release()
	release()
	end, err := s.hub.TakeTurn(t.Context())
	if err != nil {
		t.Fatalf("got %v when all is written, want a turn", err)
	}
	end()
	if err := s.hub.Ready(); err != nil {
		t.Errorf("got %v when all is written, want ready", err)
	}
}

// behind joins a room as eve, who reads nothing, and lets ada say more than the
// room keeps and the kernel's buffers take.
func behind(s *stand, room bw.RoomID) (eve net.Conn, last int64) {
	s.t.Helper()
	eve = s.dialRaw("eve", room)
	if err := eve.(*net.TCPConn).SetReadBuffer(256 << 10); err != nil {
		s.t.Fatal(err)
	}
	ada, _ := s.join("ada", room, "")
	for n := range 1_500 {
		ada.say(`{"type":"send","id":"m%d","text":"%s"}`, n, strings.Repeat("x", 4_000))
		if n%10 == 9 { // who says more than he hears is slow himself
			for range 10 {
				last = max(last, int64(ada.await("ack").Seq))
			}
		}
	}
	return eve, last
}

// TestWhoIsSlowIsToldWhatHeMissed: a member who was too slow for a while gets a gap
// for what the room does not keep, and then goes on.
func TestWhoIsSlowIsToldWhatHeMissed(t *testing.T) {
	s := newStand(t, func(c *live.Config) { c.MaxLag = 64 << 10; c.StallTimeout, c.OvertakenTimeout = time.Hour, time.Hour })
	eve, last := behind(s, s.room("hall"))
	gaps, at := 0, int64(-1)
	for at < last {
		h, err := ws.ReadHeader(eve)
		payload := make([]byte, h.Length)
		if _, short := io.ReadFull(eve, payload); err != nil || short != nil {
			t.Fatalf("got the end at seq %d of %d: %v, %v", at, last, err, short)
		}
		var f struct {
			Type          string
			Seq, From, To int64
		}
		if h.OpCode == ws.OpText {
			if err := json.Unmarshal(payload, &f); err != nil {
				t.Fatal(err)
			}
		}
		switch f.Type {
		case "joined":
			at = f.Seq
		case "message":
			if at++; f.Seq != at {
				t.Fatalf("got message %d, want %d", f.Seq, at)
			}
		case "gap":
			if f.From != at+1 || f.To < f.From {
				t.Fatalf("got the gap %d to %d behind %d", f.From, f.To, at)
			}
			at = f.To
			gaps++
		}
	}
	if gaps == 0 {
		t.Error("got everything, want a gap")
	}
}

// TestWhoTakesNothingIsClosed: a member whom the room has left behind, and who does
// not read at all, is closed long before one who is only slow.
func TestWhoTakesNothingIsClosed(t *testing.T) {
	s := newStand(t, func(c *live.Config) { c.MaxLag = 64 << 10; c.OvertakenTimeout = 500 * time.Millisecond })
	room := s.room("hall")
	eve, _ := behind(s, room)
	s.until("the room lists him no more", func() bool {
		list, err := s.store.ListOccupants(t.Context(), room, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		return list.Count == 1
	})
	for {
		h, err := ws.ReadHeader(eve)
		payload := make([]byte, h.Length)
		if _, short := io.ReadFull(eve, payload); err != nil || short != nil {
			t.Fatal(err, short)
		}
		if h.OpCode == ws.OpClose {
			if code, _ := ws.ParseCloseFrameData(payload); code != 4100 {
				t.Errorf("got a close with %d, want 4100", code)
			}
			return
		}
	}
}
