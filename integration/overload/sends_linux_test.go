package overload

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// sending is a crowd in its rooms, and what it has been answered.
type sending struct {
	*peers
	all   []*peer
	begin time.Time
	next  int             // number of the next send
	turn  int             // whose it is
	sent  []time.Duration // when each send was due, since begin

	tally
}

// tally is what became of the sends of a phase.
type tally struct {
	lasted             time.Duration
	due, acks, refused int
	underWay           int             // at the end
	took               []time.Duration // of acks, from when they were due
	longest            time.Duration   // that a refusal asked to wait
}

const idDigits = 10

// frameOf is a masked text frame, with a key of zeros.
func frameOf(n int) []byte {
	payload := fmt.Appendf(nil, `{"type":"send","id":"%0*d","text":"`, idDigits, n)
	payload = append(payload, bytes.Repeat([]byte("la "), 40)...)
	payload = append(payload, `"}`...)
	return append([]byte{0x81, 0x80 | 126, byte(len(payload) >> 8), byte(len(payload)), 0, 0, 0, 0}, payload...)
}

// send is one that was due at that time, whenever it can be written.
func (s *sending) send(due time.Duration) {
	s.sent = append(s.sent, due)
	s.write(s.all[s.turn], frameOf(s.next))
	s.turn = (s.turn + 1) % len(s.all)
	s.next++
	s.due++
	s.underWay++
}

var (
	ackHead   = []byte(`{"type":"ack","id":"`)
	errorHead = []byte(`{"type":"error","id":"`)
)

func (s *sending) hear(p *peer, payload []byte) {
	switch {
	case bytes.HasPrefix(payload, ackHead):
		s.acks++
		s.underWay--
		s.took = append(s.took, time.Since(s.begin)-s.sent[number(payload[len(ackHead):])])
	case bytes.HasPrefix(payload, errorHead):
		s.refused++
		s.underWay--
		if _, after, ok := bytes.Cut(payload, []byte(`"retry_after_ms":`)); ok {
			ms, _ := strconv.Atoi(string(after[:max(0, bytes.IndexByte(after, '}'))]))
			s.longest = max(s.longest, time.Duration(ms)*time.Millisecond)
		}
	case bytes.HasPrefix(payload, []byte(`{"type":"joined"`)):
		p.in = true
	case !bytes.HasPrefix(payload, []byte(`{"type":"message"`)) && !bytes.HasPrefix(payload, []byte(`{"type":"presence"`)):
		p.err = fmt.Errorf("got %.200q", payload)
	}
}

func number(b []byte) (n int) {
	for _, digit := range b[:idDigits] {
		n = 10*n + int(digit-'0')
	}
	return n
}

// phase drives the crowd for a time: at a rate, or, when it is 0, with so many
// sends under way.
func (s *sending) phase(rate float64, window int, d time.Duration) (tally, error) {
	s.tally = tally{underWay: s.underWay}
	base := time.Since(s.begin)
	for elapsed := time.Duration(0); elapsed < d; elapsed = time.Since(s.begin) - base {
		if rate > 0 {
			for due := int(rate * elapsed.Seconds()); s.due < due; {
				s.send(base + time.Duration(float64(s.due)/rate*float64(time.Second)))
			}
		} else {
			for s.underWay < window {
				s.send(base + elapsed)
			}
		}
		s.push()
		s.poll(time.Millisecond)
	}
	s.lasted = time.Since(s.begin) - base
	var errs []error
	for _, p := range s.all {
		errs = append(errs, p.err)
	}
	slices.Sort(s.took)
	return s.tally, errors.Join(errs...)
}

func (t tally) perSecond() float64 { return float64(t.acks) / t.lasted.Seconds() }

func (t tally) quantile(q float64) time.Duration { return quantile(t.took, q) }

// quantile is what a part of the sorted values is at most; 0 if there are none.
func quantile[T any](sorted []T, part float64) (q T) {
	if len(sorted) > 0 {
		q = sorted[int(part*float64(len(sorted)-1))]
	}
	return q
}

func (t tally) String() string {
	return fmt.Sprintf("%d due, %d acks (%.0f a second), %d refused (to wait up to %v), %d under way; acks after p50 %v, p99 %v, all %v",
		t.due, t.acks, t.perSecond(), t.refused, t.longest, t.underWay,
		t.quantile(0.5).Round(10*time.Microsecond), t.quantile(0.99).Round(10*time.Microsecond), t.quantile(1).Round(10*time.Microsecond))
}
