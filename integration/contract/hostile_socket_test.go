package contract

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// hostileJoin opens a WebSocket without a client: nobody reads it, nobody
// answers its pings.
func (p *person) hostileJoin(s *stand.Server, r room) (net.Conn, *bufio.Reader) {
	p.Helper()
	c, err := hostileNarrow(s)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(4 * patience)); err != nil {
		p.Fatal(err)
	}
	if _, err := io.WriteString(c, p.hostileUpgrade(r)); err != nil {
		p.Fatal(err)
	}
	reader := bufio.NewReaderSize(c, 4<<10)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		p.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		p.Fatalf("got status %d and %v, want 101", response.StatusCode, err)
	}
	return c, reader
}

// Opcodes of RFC 6455, section 5.2.
const (
	hostileClose = 8
	hostilePing  = 9
)

// hostileFrame reads a frame of the server (RFC 6455, section 5.2).
func hostileFrame(r io.Reader) (op byte, payload []byte, err error) {
	var head [10]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, nil, err
	}
	size := uint64(head[1] & 0x7f)
	switch size {
	case 126:
		if _, err := io.ReadFull(r, head[2:4]); err != nil {
			return 0, nil, err
		}
		size = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		if _, err := io.ReadFull(r, head[2:10]); err != nil {
			return 0, nil, err
		}
		size = binary.BigEndian.Uint64(head[2:])
	}
	if size > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes", size)
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(r, payload)
	return head[0] & 15, payload, err
}

// TestHostileSilence lets a client answer no ping: it is closed, and the room is
// told; who answers stays.
func TestHostileSilence(t *testing.T) {
	t.Parallel()
	s := suite.Binary.Start(t, "--ping-interval", "500ms", "--silence-timeout", "4s")
	watcher, ghost := newPersonAt(t, s.URL, "Watcher"), newPersonAt(t, s.URL, "Ghost")
	r := watcher.newRoom()
	watching := watcher.join(r)
	_, reader := ghost.hostileJoin(s, r)
	began, pings := time.Now(), 0
	for {
		op, payload, err := hostileFrame(reader)
		if err != nil {
			t.Fatalf("got the end %v after %d pings, want a close frame", err, pings)
		}
		if op == hostilePing {
			pings++
		}
		if op == hostileClose {
			if code, reason := binary.BigEndian.Uint16(payload), string(payload[2:]); code != 4103 || reason != "silent" {
				t.Errorf("got a close with %d %q, want 4103 silent", code, reason)
			}
			break
		}
	}
	if took := time.Since(began); pings < 1 || took < 2*time.Second || took > patience/2 {
		t.Errorf("got %d pings and closed after %v, want one at least, and closed after four seconds", pings, took)
	}
	hostileUntil(t, "the room is told", patience, func() bool {
		f := watching.expect("presence")
		return len(f.Left) == 1 && f.Left[0] == ghost.Name && f.Users == 1
	})
	var list struct{ Count int }
	watcher.get(r.path("/users")).ok(http.StatusOK, &list)
	if list.Count != 1 {
		t.Errorf("got %d users, want the one that answers", list.Count)
	}
	watching.nothing(r)
}

// TestHostileJSON sends frames that are none of the contract.
func TestHostileJSON(t *testing.T) {
	t.Parallel()
	p := newPerson(t, "Gibberish")
	r := p.newRoom()
	s := p.join(r)
	const most = 1000
	garbage := func(n int) {
		for range n {
			s.sendRaw("{garbage")
			s.expectError("", "bad_json")
		}
	}
	for range most + 1 { // wrong, and no reason to give up
		s.sendRaw(`{"type":"send","id":"x","text":""}`)
		s.expectError("x", "empty_text")
	}
	garbage(most - 1)
	s.say(unique("word"), "a word in between is patience regained")
	s.expectBoth("ack", "message")
	garbage(most - 1)
	s.sendRaw("{garbage")
	s.expectError("", "bad_json")
	s.expectClose(4000, "protocol_error")
}

// hostileFlood sends messages as fast as the connection takes them, or, if
// there is a window, as it has room.
func hostileFlood(ctx context.Context, c *websocket.Conn, prefix, text string, n int, window chan struct{}) error {
	for i := range n {
		if window != nil {
			select {
			case window <- struct{}{}:
			case <-ctx.Done():
				return fmt.Errorf("message %d: %w", i, ctx.Err())
			}
		}
		payload, err := json.Marshal(map[string]string{"type": "send", "id": fmt.Sprint(prefix, i), "text": text})
		if err != nil {
			return err
		}
		if err := c.Write(ctx, websocket.MessageText, payload); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	return nil
}

// TestHostileSender sends at full speed: what is over the rate is refused with
// the time to wait, what is acked reaches all, and others send on.
func TestHostileSender(t *testing.T) {
	t.Parallel()
	server := suite.Binary.Start(t)
	loud, meek := newPersonAt(t, server.URL, "Loud"), newPersonAt(t, server.URL, "Meek")
	r := loud.newRoom()
	flood, other := loud.join(r), meek.join(r)
	const sends, words = 1_000, 20
	flooded := make(chan error, 1)
	go func() { flooded <- hostileFlood(t.Context(), flood.conn, "f", "x", sends, nil) }()
	for i := range words {
		other.say(fmt.Sprint("w", i), "a word")
	}
	if err := <-flooded; err != nil {
		t.Fatal(err)
	}
	acked := map[string]bool{}
	for acks, refused := 0, 0; acks+refused < sends; {
		switch f := flood.next(); f.Type {
		case "ack":
			acked[f.ID] = true
			acks++
		case "error":
			refused++
			if f.Code != "rate_limited" || f.RetryMS == nil || *f.RetryMS <= 0 {
				t.Fatalf("got %+v, want rate_limited with a time to wait", f)
			}
		}
	}
	if n := len(acked); n < 200 || n > sends/2 {
		t.Errorf("got %d of %d sends acked, want the burst of 200 and hardly more", n, sends)
	}
	seq := other.joined.Seq
	for left, acks := len(acked)+words, 0; left > 0 || acks < words; {
		switch f := other.next(); f.Type {
		case "ack":
			acks++
		case "message":
			left--
			if seq++; f.Seq != seq || f.User == loud.Name && !acked[f.ID] {
				t.Fatalf("got the message %q with seq %d, want one that was acked, with %d", f.ID, f.Seq, seq)
			}
		case "presence":
		default:
			t.Fatalf("got %+v, want messages and acks", f)
		}
	}
}

// TestHostileObstinacy sends on while everything is refused.
func TestHostileObstinacy(t *testing.T) {
	t.Parallel()
	server := suite.Binary.Start(t, "--send-rate", "0.01", "--send-burst", "1")
	p := newPersonAt(t, server.URL, "Mule")
	s := p.join(p.newRoom())
	_ = hostileFlood(t.Context(), s.conn, "m", "x", 2_000, nil) // it is cut off
	s.expectClose(4102, "rate_limited")
}
