package contract

import (
	"fmt"
	"strings"
	"testing"
)

// TestRawClose holds the closing handshake to RFC 6455, sections 5.5.1, 7.1 and
// 7.4: the code comes back, or that of what was wrong, and then the end.
func TestRawClose(t *testing.T) {
	type closing struct {
		name, body string
		code       int
	}
	rows := []closing{
		{"no body", "", rawNoCode},
		{"a reason", rawCloseBody(1000, "bye"), 1000},
		{"a reason in UTF-8", rawCloseBody(1000, "až zítra 👋"), 1000},
		{"the longest reason", rawCloseBody(4999, strings.Repeat("x", 123)), 4999},
		{"one byte", "\x03", 1002},
		{"a reason that is no UTF-8", rawCloseBody(1000, "\xff"), 1007},
		{"a reason that is cut off", rawCloseBody(1000, "\xf0\x9f\x91"), 1007},
		{"a surrogate in the reason", rawCloseBody(1000, "\xed\xa0\x80"), 1007},
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4200, 4999} {
		rows = append(rows, closing{fmt.Sprint(code), rawCloseBody(code, ""), code})
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		rows = append(rows, closing{fmt.Sprint(code), rawCloseBody(code, ""), 1002})
	}
	rawBoth(t, func(t *testing.T, s *rawServer) {
		seat := s.newSeat(t)
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				c := seat.join(t)
				c.write(rawTextFrame(rawAsk("before")), rawFrame(rawFin|rawClose, row.body))
				c.answered("before")
				c.ended(row.code)
			})
		}
		t.Run("nothing behind is worked on", func(t *testing.T) {
			c := seat.join(t)
			c.write(rawTextFrame(rawSend("before", "before")), rawFrame(rawFin|rawClose, ""),
				rawTextFrame(rawSend("behind", "behind")), rawFrame(rawFin|rawPing, "behind"), rawFrame(rawFin|rawClose, "\x03\xe8"))
			c.quiet(rawNoCode)
			for _, row := range rows {
				c := seat.join(t)
				c.write(rawFrame(rawFin|rawClose, row.body), rawTextFrame(rawSend("behind", "behind")), rawFrame(rawFin|rawPing, "behind"))
				c.quiet(row.code) // what was before may be delivered after this one has joined
			}
			if got := seat.texts(t); len(got) != 1 || got[0] != "before" {
				t.Errorf("got %q stored, want what was sent before the close", got)
			}
		})
	})
}

// quiet reads a close frame with a code; messages and acks may come before it.
func (c *rawClient) quiet(code int) {
	c.Helper()
	for {
		head, err := c.in.Peek(1)
		if err != nil || head[0] != rawFin|rawText {
			break
		}
		f, err := c.read()
		if err != nil || !strings.Contains(f.payload, `"before"`) && !strings.HasPrefix(f.payload, `{"type":"presence"`) {
			c.Fatalf("got %v, %v, want ack and message of what was before the close", f, err)
		}
	}
	c.ended(code)
}
