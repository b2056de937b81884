package contract

import (
	"fmt"
	"strings"
	"testing"
)

// TestRawServerFrames has the server send frames of all sizes around those at
// which the length takes another form; each frame that a test of this suite
// reads is held to RFC 6455, section 5.2, as these are.
func TestRawServerFrames(t *testing.T) {
	rawBoth(t, func(t *testing.T, s *rawServer) {
		seat := s.newSeat(t)
		c := seat.join(t)
		sizes := map[int]bool{}
		next := func(kind string) {
			t.Helper()
			c.soon()
			f, err := c.next()
			if err != nil || f.op != rawText || !strings.HasPrefix(f.payload, `{"type":"`+kind+`"`) {
				t.Fatalf("got %v, %v, want %s", f, err, kind)
			}
			sizes[len(f.payload)] = true
		}
		// Errors echo the id and are short; pages of messages are as long as one likes.
		for n := 1; n <= 64; n++ {
			c.write(rawTextFrame(fmt.Sprintf(`{"type":"leave","id":%q,"room":999999999}`, strings.Repeat("i", n))))
			next("error")
		}
		if !sizes[125] || !sizes[126] {
			t.Errorf("got errors of %v bytes, want 125 and 126 among them", sizes)
		}
		const most, text = 0xffff, 4000
		measure := func() int {
			t.Helper()
			c.write(rawTextFrame(`{"type":"history","id":"i","limit":500}`))
			c.soon()
			f, err := c.next()
			if err != nil {
				t.Fatal(err)
			}
			return len(f.payload)
		}
		last, each := measure(), 0
		for n := 0; last+each < most; n++ {
			c.post(n, text)
			size := measure()
			last, each = size, size-last
		}
		c.post(99, max(1, most-last-(each-text)-32)) // the id of the answer does the rest
		for n := 1; n <= 64; n++ {
			c.write(rawTextFrame(fmt.Sprintf(`{"type":"history","id":%q,"limit":500}`, strings.Repeat("i", n))))
			next("history")
		}
		if !sizes[most] || !sizes[most+1] {
			t.Errorf("got pages of %v bytes, want %d and %d among them", sizes, most, most+1)
		}
	})
}

// post sends a text of a length and waits until it is stored.
func (c *rawClient) post(n, length int) {
	c.Helper()
	id, text := fmt.Sprintf("post %02d", n), strings.Repeat("t", length)
	c.write(rawTextFrame(rawSend(id, text)))
	c.stored(id, text)
}
