package brokertest

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// recorder is a receiver that keeps everything and notes what must not happen.
type recorder struct {
	subscription broker.Subscription
	// start is the position that Subscribe returned.
	start bw.Position
	// inCall is true from the beginning of a call to its end.
	inCall atomic.Bool

	mu       sync.Mutex // guards the rest
	closed   bool
	faults   []string
	messages []bw.Message
	notices  []broker.Notice
	// changed is closed and replaced with every call.
	changed chan struct{}
}

func newRecorder() *recorder { return &recorder{changed: make(chan struct{})} }

// Deliver implements broker.Receiver.
func (r *recorder) Deliver(batch []bw.Message) {
	r.call(func() { r.messages = append(r.messages, batch...) })
}

// Gap implements broker.Receiver. The suite has no fault that excuses one.
func (r *recorder) Gap(epoch bw.Epoch, from, to bw.Seq) {
	r.call(func() { r.faults = append(r.faults, fmt.Sprintf("gap %d–%d in epoch %d", from, to, epoch)) })
}

// Notify implements broker.Receiver.
func (r *recorder) Notify(n broker.Notice) {
	r.call(func() { r.notices = append(r.notices, n) })
}

// call checks that calls come one at a time and none after the close. Others get
// to run between its beginning and its end, so that an overlap shows.
func (r *recorder) call(keep func()) {
	overlaps := r.inCall.Swap(true)
	runtime.Gosched()
	r.mu.Lock()
	defer r.mu.Unlock()
	if overlaps {
		r.faults = append(r.faults, "two calls at once")
	}
	if r.closed {
		r.faults = append(r.faults, "a call after Close had returned")
	}
	keep()
	close(r.changed)
	r.changed = make(chan struct{})
	r.inCall.Store(false)
}

// leave closes the subscription; a later call is a fault.
func (r *recorder) leave() {
	r.subscription.Close()
	r.end()
}

// end makes every later call a fault.
func (r *recorder) end() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
}

// await waits until the state is as wanted.
func (r *recorder) await(t *testing.T, what string, wanted func() bool) {
	t.Helper()
	if !r.becomes(patience, wanted) {
		r.mu.Lock()
		defer r.mu.Unlock()
		t.Fatalf("%s: not within %v; got %d messages after seq %d, %d notices, faults %q",
			what, patience, len(r.messages), r.start.Seq, len(r.notices), r.faults)
	}
}

// becomes waits for some time and tells whether the state was as wanted.
func (r *recorder) becomes(within time.Duration, wanted func() bool) bool {
	deadline := time.After(within)
	for {
		r.mu.Lock()
		met, changed := wanted(), r.changed
		r.mu.Unlock()
		if met {
			return true
		}
		select {
		case <-changed:
		case <-deadline:
			return false
		}
	}
}

// upTo waits for the delivery of everything up to a seq, checks it, and gives it.
func (r *recorder) upTo(t *testing.T, seq bw.Seq) []bw.Message {
	t.Helper()
	r.await(t, fmt.Sprintf("delivery up to seq %d", seq), func() bool {
		return seq <= r.start.Seq || len(r.messages) > 0 && r.messages[len(r.messages)-1].Seq >= seq
	})
	r.check(t)
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

// check checks what must always be true of what was delivered.
func (r *recorder) check(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.faults) > 0 {
		t.Fatalf("receiver saw: %q", r.faults)
	}
	last, now := r.start, bw.Millis(0)
	for i, m := range r.messages {
		if want := (bw.Position{Epoch: last.Epoch, Seq: last.Seq + 1}); m.Position() != want {
			t.Fatalf("delivery %d after the subscription at %+v: got position %+v, want %+v", i, r.start, m.Position(), want)
		}
		if m.Timestamp < now {
			t.Fatalf("seq %d: timestamp went back from %d to %d", m.Seq, now, m.Timestamp)
		}
		last, now = m.Position(), m.Timestamp
	}
}
