package contract

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/breakwater-chat/breakwater/integration/harness"
)

// hostileCount is what a listener has received.
type hostileCount struct {
	messages int
	// late is by how much the latest message came after it was stored.
	late time.Duration
	err  error
}

// hostileListen reads messages until it has n, each one behind the one before.
// Each makes room in the window, if there is one.
func hostileListen(ctx context.Context, c *websocket.Conn, n int, window chan struct{}) (got hostileCount) {
	last := int64(0)
	for got.messages < n {
		_, payload, err := c.Read(ctx)
		if err != nil {
			got.err = fmt.Errorf("after %d messages: %w", got.messages, err)
			return got
		}
		var f frame
		if err := json.Unmarshal(payload, &f); err != nil {
			got.err = err
			return got
		}
		switch f.Type {
		case "joined":
			last = f.Seq
		case "message":
			if last++; f.Seq != last {
				got.err = fmt.Errorf("got seq %d, want %d", f.Seq, last)
				return got
			}
			got.messages++
			if window != nil {
				<-window
			}
			got.late = max(got.late, time.Since(time.UnixMilli(f.Timestamp)))
		case "gap":
			got.err = fmt.Errorf("got %+v, want every message", f)
			return got
		}
	}
	return got
}

// hostileDial joins a room by a client that holds nothing against documents:
// that takes longer than what this is about.
func (p *person) hostileDial(r room) *websocket.Conn {
	p.Helper()
	c, _, err := p.dial(r, nil, nil)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = c.CloseNow() })
	c.SetReadLimit(maxFrame)
	return c
}

// TestHostileConsumer joins a room and reads nothing while others write more
// than the room keeps for who is behind (4 MiB) and kernels buffer: it is closed,
// those who read get everything at once, and memory stays within bounds.
func TestHostileConsumer(t *testing.T) {
	t.Parallel()
	built, err := harness.Build(t.TempDir(), "breakwater")
	if err != nil {
		t.Fatal(err)
	}
	s := built.Start(t, "--send-rate", "0", "--signup-rate", "0")
	talker, listener, statue := newPersonAt(t, s.URL, "Talker"), newPersonAt(t, s.URL, "Listener"), newPersonAt(t, s.URL, "Statue")
	r := talker.newRoom()
	const sends, most = 4_000, 100 << 20
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()

	_, reader := statue.hostileJoin(s, r)
	mouth, ear := talker.hostileDial(r), listener.hostileDial(r)
	before, grown := hostileResident(t, s), int64(0)
	heard, flooded := make(chan hostileCount, 2), make(chan error, 1)
	window := make(chan struct{}, 100) // who says more than he can hear is a slow consumer himself
	go func() { flooded <- hostileFlood(ctx, mouth, "m", strings.Repeat("x", 4_000), sends, window) }()
	go func() { heard <- hostileListen(ctx, mouth, sends, window) }()
	go func() { heard <- hostileListen(ctx, ear, sends, nil) }()
	hostileUntil(t, "everything is heard by both", 4*patience, func() bool {
		grown = max(grown, hostileResident(t, s)-before)
		return len(heard) == cap(heard)
	})
	for range cap(heard) {
		got := <-heard
		t.Logf("the latest of %d messages came %v after it was stored", got.messages, got.late)
		// The statue is waited for five seconds.
		if got.err != nil || got.late > 4*time.Second {
			t.Errorf("got %d messages, the latest %v after it was stored, and %v; want %d at once", got.messages, got.late, got.err, sends)
		}
	}
	if err := <-flooded; err != nil {
		t.Error(err)
	}
	t.Logf("grew by %d KiB", grown>>10)
	if grown > most {
		t.Errorf("got %d KiB more of resident memory, want at most %d", grown>>10, most>>10)
	}
	var list struct{ Count int }
	hostileUntil(t, "the user list is true", patience, func() bool {
		talker.get(r.path("/users")).ok(http.StatusOK, &list)
		return list.Count == 2
	})
	// What is in the kernels' buffers is still read, and why it ends there.
	for n := 0; ; n++ {
		op, payload, err := hostileFrame(reader)
		if err != nil {
			t.Errorf("got %d frames and the end %v, want a close frame", n, err)
			break
		}
		if op == hostileClose {
			if code := binary.BigEndian.Uint16(payload); code != 4100 || n >= sends {
				t.Errorf("got %d frames and a close with %d, want 4100 before all", n, code)
			}
			break
		}
	}
	hostileUntil(t, "the close is counted", patience, func() bool {
		return hostileMetric(t, s, "breakwater_closes_total", `reason="slow_consumer"`) == 1
	})
}
