package contract

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestRawPings holds pings to RFC 6455, section 5.5.3. It lets a server answer
// the latest of several only; this one answers each, in order.
func TestRawPings(t *testing.T) {
	rawBoth(t, func(t *testing.T, s *rawServer) {
		seat := s.newSeat(t)
		flood := func(n, least int) (frames [][]byte, payloads []string) {
			for i := range n {
				p := fmt.Sprintf("%*d", least, i)
				payloads = append(payloads, p)
				frames = append(frames, rawFrame(rawFin|rawPing, p))
			}
			return frames, payloads
		}
		for _, row := range []struct {
			name     string
			n, least int
		}{
			{"short ones", 1000, 1},
			{"the longest ones", 1000, 125},
		} {
			t.Run(row.name, func(t *testing.T) {
				c := seat.join(t)
				frames, payloads := flood(row.n, row.least)
				c.write(frames...)
				for _, p := range payloads {
					c.ponged(p)
				}
				c.alive()
			})
			t.Run(row.name+" behind the request", func(t *testing.T) {
				frames, payloads := flood(row.n, row.least)
				c := seat.join(t, frames...)
				for _, p := range payloads {
					c.ponged(p)
				}
				c.alive()
			})
		}
		t.Run("payloads of all lengths and bytes", func(t *testing.T) {
			c := seat.join(t)
			for length := range 126 {
				payload := strings.Repeat(string([]byte{byte(length), 0xff - byte(length)}), length)[:length]
				c.write(rawFrame(rawFin|rawPing, payload))
				c.ponged(payload)
			}
		})
		t.Run("masks of all kinds", func(t *testing.T) {
			c := seat.join(t)
			for _, mask := range [][4]byte{{}, {0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 1}, {0x80}} {
				f := append([]byte{rawFin | rawPing, rawMasked | 5}, mask[:]...)
				c.write(append(f, rawMaskedWith(mask, "hello")...))
				c.ponged("hello")
			}
		})
		t.Run("pongs that nobody asked for", func(t *testing.T) {
			c := seat.join(t)
			for range 1000 {
				c.write(rawFrame(rawFin|rawPong, "unasked"), rawFrame(rawFin|rawPong, ""))
			}
			c.alive()
		})
		t.Run("a ping behind a question", func(t *testing.T) {
			c := seat.join(t)
			c.write(rawTextFrame(rawAsk("question")), rawFrame(rawFin|rawPing, "behind"))
			var got []rawIn // a ping waits for nothing, so either may be first
			for range 2 {
				c.soon()
				f, err := c.next()
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, f)
			}
			pong := rawIn{rawPong, "behind"}
			if n := slices.Index(got, pong); n < 0 || !strings.Contains(got[1-n].payload, `"id":"question"`) {
				t.Errorf("got %v, want an answer and a pong", got)
			}
		})
	})
}
