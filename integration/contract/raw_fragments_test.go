package contract

import (
	"strings"
	"testing"
)

// rawFragments sends a message in frames cut at places (RFC 6455, section 5.4);
// between stands between any two of them.
func rawFragments(message string, cuts []int, between ...[]byte) (frames [][]byte) {
	first, from := byte(rawText), 0
	for _, cut := range cuts {
		frames = append(frames, rawFrame(first, message[from:cut]))
		frames = append(frames, between...)
		first, from = rawContinuation, cut
	}
	return append(frames, rawFrame(rawFin|first, message[from:]))
}

// stored reads the ack and the message of a send, in either order.
func (c *rawClient) stored(id, text string) {
	c.Helper()
	c.soon()
	for _, kind := range []string{"ack", "message"} {
		got, err := c.next()
		switch {
		case err != nil:
			c.Fatalf("got the end %v, want %s of %q", err, kind, id)
		case !strings.Contains(got.payload, `"id":`+quote(id)):
			c.Fatalf("got %v, want ack and message of %q", got, id)
		case strings.HasPrefix(got.payload, `{"type":"message"`) && !strings.Contains(got.payload, quote(text)):
			c.Errorf("got %v, want the text %q", got, text)
		}
	}
}

// TestRawFragments sends messages in fragments: they are the same as whole
// ones, and control frames may stand between.
func TestRawFragments(t *testing.T) {
	const text = "zwölf 💬 für 5 €"
	// The cuts are the same for each message, as long as ids are.
	message := rawSend("fragments 100", text)
	at := func(s string) int { return strings.Index(message, s) }
	var each []int
	for i := range message {
		each = append(each, i)
	}
	rows := []struct {
		name string
		cuts []int
	}{
		{"two", []int{9}},
		{"three", []int{1, 20}},
		{"one a character", each},
		{"empty first", []int{0}},
		{"empty last", []int{len(message)}},
		{"empty in the middle", []int{9, 9}},
		{"a thousand empty ones", make([]int, 1000)},
		{"inside a character of two bytes", []int{at("ö") + 1}},
		{"inside a character of three bytes", []int{at("€") + 1, at("€") + 2}},
		{"inside a character of four bytes", []int{at("💬") + 1, at("💬") + 2, at("💬") + 3}},
	}
	rawBoth(t, func(t *testing.T, s *rawServer) {
		seat := s.newSeat(t)
		for i, row := range rows {
			id := "fragments 10" + string(rune('0'+i))
			t.Run(row.name, func(t *testing.T) {
				c := seat.join(t)
				c.write(rawFragments(rawSend(id, text), row.cuts)...)
				c.stored(id, text)
				c.alive()
			})
			t.Run(row.name+" with pings between", func(t *testing.T) {
				c := seat.join(t)
				ping, pong := rawFrame(rawFin|rawPing, "between"), rawFrame(rawFin|rawPong, "unasked")
				c.write(rawFragments(rawAsk(id)+strings.Repeat(" ", len(message)), row.cuts, ping, pong)...)
				for range row.cuts {
					c.ponged("between")
				}
				c.answered(id)
			})
		}
		t.Run("in segments of their own", func(t *testing.T) {
			c, pacer := seat.join(t), seat.join(t)
			for _, f := range rawFragments(rawAsk("slow"), []int{0, 3, 3, 12}, rawFrame(rawFin|rawPing, "between")) {
				c.write(f)
				pacer.alive()
			}
			for range 4 {
				c.ponged("between")
			}
			c.answered("slow")
		})
		t.Run("a close between", func(t *testing.T) {
			c := seat.join(t)
			c.write(rawFrame(rawText, rawAsk("never")[:5]), rawFrame(rawFin|rawClose, "\x03\xe8"), rawFrame(rawFin|rawContinuation, rawAsk("never")[5:]))
			c.ended(1000)
		})
	})
}
