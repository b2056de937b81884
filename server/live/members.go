package live

import (
	"context"
	"errors"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// Bounds of the membership writer.
const (
	memberBatchSize = 1000
	memberGather    = 3 * time.Millisecond   // how long a batch waits for company
	memberTimeout   = 5 * time.Second        // of one write
	memberRetry     = 250 * time.Millisecond // between tries to write leaves
	maxPendingJoins = 20_000
)

// memberWriter writes the joins and leaves of all connections to the store in
// batches, in their order. A leave is never given up while the hub runs: a
// membership that stays would be a user who is not there.
type memberWriter struct {
	hub *Hub

	// mu guards queue and stopping.
	mu       sync.Mutex
	queue    []memberChange
	stopping bool
	filled   chan struct{} // has a token when the queue may have something
	stopped  chan struct{} // closed by stop
}

type memberChange struct {
	store.Change
	done func(store.Outcome, error)
}

func newMemberWriter(h *Hub) *memberWriter {
	return &memberWriter{hub: h, filled: make(chan struct{}, 1), stopped: make(chan struct{})}
}

// add queues a change; done is called once, from another goroutine or at once.
func (w *memberWriter) add(change store.Change, done func(store.Outcome, error)) {
	w.mu.Lock()
	if !change.Leave && (w.stopping || len(w.queue) >= maxPendingJoins) {
		w.mu.Unlock()
		done(store.Outcome{}, bw.Errorf(bw.Overloaded, "too many people are joining at this moment"))
		return
	}
	w.queue = append(w.queue, memberChange{change, done})
	w.mu.Unlock()
	select {
	case w.filled <- struct{}{}:
	default:
	}
}

// run writes batches until stop was called and the queue is empty.
func (w *memberWriter) run() {
	for {
		select {
		case <-w.filled:
		case <-w.stopped:
		}
		w.gather()
		for batch := w.take(); len(batch) > 0; batch = w.take() {
			w.write(batch)
		}
		w.mu.Lock()
		finished := w.stopping && len(w.queue) == 0
		w.mu.Unlock()
		if finished {
			return
		}
	}
}

// gather lets a batch fill.
func (w *memberWriter) gather() {
	timer := time.NewTimer(memberGather)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.stopped:
	}
}

func (w *memberWriter) take() []memberChange {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.queue), memberBatchSize)
	batch := w.queue[:n:n]
	if w.queue = w.queue[n:]; len(w.queue) == 0 {
		w.queue = nil
	}
	return batch
}

// write writes a batch. If the store refuses it, joins fail and leaves are
// tried again until they succeed, the hub stops, or the incarnation is fenced.
func (w *memberWriter) write(batch []memberChange) {
	for {
		changes := make([]store.Change, len(batch))
		for i := range batch {
			changes[i] = batch[i].Change
		}
		outcomes, err := w.apply(changes)
		if err == nil {
			for i, o := range outcomes {
				batch[i].done(o, nil)
			}
			return
		}
		w.hub.metrics.memberErrors.Inc()
		w.hub.deps.Log.Warn("writing joins and leaves", "changes", len(batch), "error", err)
		batch = failJoins(batch, err)
		if len(batch) == 0 {
			return
		}
		if errors.Is(err, store.ErrFenced) || !w.pause() {
			for _, c := range batch {
				c.done(store.Outcome{}, err) // orphans now, for the janitor
			}
			return
		}
	}
}

func (w *memberWriter) apply(changes []store.Change) ([]store.Outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), memberTimeout)
	defer cancel()
	began := time.Now()
	outcomes, err := w.hub.deps.Members.ApplyChanges(ctx, w.hub.deps.Identity, changes)
	w.hub.metrics.memberBatch.Observe(float64(len(changes)))
	w.hub.metrics.memberLatency.Observe(time.Since(began).Seconds())
	return outcomes, err
}

// failJoins answers the joins of a batch and returns the leaves.
func failJoins(batch []memberChange, err error) []memberChange {
	var leaves []memberChange
	for _, c := range batch {
		if c.Leave {
			leaves = append(leaves, c)
		} else {
			c.done(store.Outcome{}, bw.Unavailablef(err, "the room's user list cannot be written now"))
		}
	}
	return leaves
}

// pause waits before the next try; false if the hub stops.
func (w *memberWriter) pause() bool {
	timer := time.NewTimer(memberRetry)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.stopped:
		return false
	}
}

// stop lets run write what is queued, once, and return.
func (w *memberWriter) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopping {
		w.stopping = true
		close(w.stopped)
	}
}
