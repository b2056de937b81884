//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// textSize is the length of every message's text.
const textSize = 128

// exchange is what one room's members say and hear, and the check of it: the
// first member to get a message checks it against what was sent and keeps its
// bytes, all others must get the same bytes.
type exchange struct {
	// now is when the bytes in hand arrived.
	now time.Time
	// prefix is what every message frame of the room begins with, up to its seq.
	prefix []byte
	// firsts holds the newest messages' bytes and times by seq.
	firsts [1 << 12]first

	sent, acked, delivered int64
	// outstanding are sends that have not come back as a message, by id.
	outstanding map[string]int
	latency     *histogram
}

// first is a message as its first receiver got it.
type first struct {
	seq    int64
	frame  []byte
	sentAt time.Time
}

func newExchange() *exchange {
	return &exchange{outstanding: map[string]int{}, latency: &histogram{}}
}

// epoch is the moment from which the texts count their nanoseconds.
var epoch = time.Now()

// textOf is the text that a send made at that time carries: its time, and filler.
func textOf(id string, at time.Duration) string {
	text := fmt.Sprintf("%s at %d ", id, at.Nanoseconds())
	return text + strings.Repeat("x", textSize-len(text))
}

// send publishes one message on a connection.
func (e *exchange) send(c *conn) error {
	id := "b" + strconv.FormatInt(e.sent, 10)
	payload := fmt.Appendf(nil, `{"type":"send","id":%q,"text":%q}`, id, textOf(id, time.Since(epoch)))
	if err := writeAll(c.fd, appendClientFrame(nil, opText, payload)); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	e.outstanding[id] = c.index
	e.sent++
	return nil
}

// text handles a text frame of a member.
func (e *exchange) text(c *conn, payload []byte) error {
	if len(e.prefix) > 0 && bytes.HasPrefix(payload, e.prefix) {
		return e.message(c, payload)
	}
	switch {
	case bytes.HasPrefix(payload, []byte(`{"type":"message"`)):
		end := bytes.Index(payload, []byte(`"seq":`))
		if end < 0 || len(e.prefix) > 0 {
			return fmt.Errorf("got a message of another room, epoch or form: %s", payload)
		}
		e.prefix = bytes.Clone(payload[:end+len(`"seq":`)])
		return e.message(c, payload)
	case bytes.HasPrefix(payload, []byte(`{"type":"ack"`)):
		e.acked++
	case bytes.HasPrefix(payload, []byte(`{"type":"error"`)), bytes.HasPrefix(payload, []byte(`{"type":"gap"`)):
		return fmt.Errorf("got %s", payload)
	}
	return nil // presence and the like
}

// message counts a delivery and holds it against the promise.
func (e *exchange) message(c *conn, payload []byte) error {
	var seq int64
	for _, digit := range payload[len(e.prefix):] {
		if digit < '0' || digit > '9' {
			break
		}
		seq = seq*10 + int64(digit-'0')
	}
	if seq != c.next {
		return fmt.Errorf("got seq %d, want %d", seq, c.next)
	}
	known := &e.firsts[seq%int64(len(e.firsts))]
	if known.seq != seq {
		if err := e.check(seq, payload, known); err != nil {
			return err
		}
	} else if !bytes.Equal(known.frame, payload) {
		return fmt.Errorf("got seq %d as %s, another member as %s", seq, payload, known.frame)
	}
	c.next++
	c.received++
	e.delivered++
	e.latency.add(e.now.Sub(known.sentAt))
	return nil
}

// check holds a message that nobody got yet against what was sent.
func (e *exchange) check(seq int64, payload []byte, known *first) error {
	if seq < known.seq {
		return fmt.Errorf("seq %d comes %d messages after others got it", seq, known.seq-seq)
	}
	var m struct{ ID, User, Text string }
	if err := json.Unmarshal(payload, &m); err != nil {
		return fmt.Errorf("reading a message: %w", err)
	}
	author, ok := e.outstanding[m.ID]
	if !ok || m.User != nameOf(author) {
		return fmt.Errorf("got %s: nobody waits for it under that name", payload)
	}
	delete(e.outstanding, m.ID)
	nanoseconds, _, _ := strings.Cut(strings.TrimPrefix(m.Text, m.ID+" at "), " ")
	n, err := strconv.ParseInt(nanoseconds, 10, 64)
	if err != nil || m.Text != textOf(m.ID, time.Duration(n)) {
		return fmt.Errorf("got the text %q, which nobody sent", m.Text)
	}
	known.seq, known.sentAt = seq, epoch.Add(time.Duration(n))
	known.frame = append(known.frame[:0], payload...)
	return nil
}

// nameOf is the name of the i-th user.
func nameOf(i int) string { return "bench-" + strconv.Itoa(i) }
