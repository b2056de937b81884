package live

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// Bounds of the membership writer.
const (
	memberBatchSize   = 1000
	memberGather      = 3 * time.Millisecond   // how long a batch waits for company
	memberTimeout     = 5 * time.Second        // of one write
	memberRetry       = 250 * time.Millisecond // between tries of a batch
	maxPendingChanges = 100_000
)

// memberWriter writes the joins and leaves of all connections to the store in
// batches, in their order. None is given up while the hub runs: a membership that
// stays would be a user who is not there, one that is missing a user who is. While
// the store is away people join all the same, and the others are told of them when
// it is back; of what one connection did in one room meanwhile only the last is
// kept, and nothing of a join that the store has not seen and that was taken back.
type memberWriter struct {
	hub *Hub

	// mu guards the fields down to stopping.
	mu       sync.Mutex
	queue    []*memberChange
	waiting  map[memberKey]*memberChange // what is in the queue and stands
	failing  bool                        // the store has refused the last batch
	stopping bool
	filled   chan struct{} // has a token when the queue may have something
	stopped  chan struct{} // closed by stop
}

// memberKey names what a change is about.
type memberKey struct {
	room       bw.RoomID
	connection bw.ConnectionID
}

// memberChange is a connection's join or leave on its way to the store.
type memberChange struct {
	store.Change
	// done is called once, when it is written or never will be, from another
	// goroutine or at once; not at all if a later change took its place.
	done func(store.Outcome, error)
	// postponed is called at most once, like done, when the store is away and it
	// will be written later; nil for a leave.
	postponed func()
	// The rest is guarded by the writer's mu: the store may have a membership that
	// only a leave ends, because of this change or an earlier one; it was postponed;
	// it is not to be written any more.
	seen, late, void bool
}

func (c *memberChange) key() memberKey { return memberKey{c.Room, c.Connection} }

func newMemberWriter(h *Hub) *memberWriter {
	return &memberWriter{
		hub: h, waiting: make(map[memberKey]*memberChange),
		filled: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
}

// add queues a change.
func (w *memberWriter) add(c *memberChange) {
	queued, late, err := w.tryAdd(c)
	if !queued {
		c.done(store.Outcome{}, err)
		return
	}
	if late {
		c.postponed()
	}
	select {
	case w.filled <- struct{}{}:
	default:
	}
}

// tryAdd does not queue a join that is one too many, nor a leave that has nothing
// to undo but a join in the queue.
func (w *memberWriter) tryAdd(c *memberChange) (queued, late bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	earlier := w.waiting[c.key()]
	switch {
	case !c.Leave && (w.stopping || len(w.waiting) >= maxPendingChanges):
		return false, false, bw.Errorf(bw.Overloaded, "too many people are joining at this moment")
	case c.Leave && earlier != nil && !earlier.seen:
		earlier.void = true
		delete(w.waiting, c.key())
		return false, false, nil
	}
	w.enqueue(c)
	return true, w.failing && w.postpone(c), nil
}

// enqueue puts a change behind all others, in the place of one about the same
// connection and room. Called under mu.
func (w *memberWriter) enqueue(c *memberChange) {
	c.seen = c.seen || c.Leave
	if earlier := w.waiting[c.key()]; earlier != nil {
		earlier.void = true
		c.seen = c.seen || earlier.seen
	}
	w.waiting[c.key()] = c
	if len(w.queue) >= 2*len(w.waiting)+memberBatchSize {
		w.queue = slices.DeleteFunc(w.queue, func(c *memberChange) bool { return c.void })
	}
	w.queue = append(w.queue, c)
}

// postpone tells whether somebody is to be told, and marks it done. Called under mu.
func (w *memberWriter) postpone(c *memberChange) bool {
	if c.late || c.postponed == nil {
		return false
	}
	c.late = true
	return true
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

func (w *memberWriter) take() (batch []*memberChange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for ; n < len(w.queue) && len(batch) < memberBatchSize; n++ {
		if c := w.queue[n]; !c.void {
			c.seen = true
			delete(w.waiting, c.key())
			batch = append(batch, c)
		}
	}
	if w.queue = w.queue[n:]; len(w.queue) == 0 {
		w.queue = nil
	}
	return batch
}

// write writes a batch. If the store refuses it, it is tried again until it
// succeeds, the hub stops, or the incarnation is fenced.
func (w *memberWriter) write(batch []*memberChange) {
	changes := make([]store.Change, len(batch))
	for i := range batch {
		changes[i] = batch[i].Change
	}
	outcomes, err := w.apply(changes)
	if err == nil {
		w.mu.Lock()
		w.failing = false
		w.mu.Unlock()
		for i, o := range outcomes {
			batch[i].done(o, nil)
		}
		return
	}
	w.hub.metrics.memberErrors.Inc()
	w.hub.deps.Log.Warn("writing joins and leaves", "changes", len(batch), "error", err)
	if errors.Is(err, store.ErrFenced) || w.isStopped() {
		w.abandon(batch, err)
		return
	}
	for _, c := range w.putBack(batch) {
		c.postponed()
	}
	w.pause()
}

// abandon answers a batch, and what is queued, that will never be written: what
// the store has of them is for the janitor.
func (w *memberWriter) abandon(batch []*memberChange, cause error) {
	for ; len(batch) > 0; batch = w.take() {
		for _, c := range batch {
			c.done(store.Outcome{}, bw.Unavailablef(cause, "the room's user list cannot be written now"))
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

// putBack queues a refused batch in front of everything else, but for what a later
// change stands for, and returns the joins that somebody still waits for.
func (w *memberWriter) putBack(batch []*memberChange) (late []*memberChange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failing = true
	behind := w.queue
	w.queue = nil
	for _, c := range batch {
		if later := w.waiting[c.key()]; later == nil {
			w.enqueue(c)
		} else {
			later.seen = true
		}
	}
	w.queue = append(w.queue, behind...)
	for _, c := range w.queue {
		if !c.void && w.postpone(c) {
			late = append(late, c)
		}
	}
	return late
}

// pause waits before the next try, unless the hub stops.
func (w *memberWriter) pause() {
	timer := time.NewTimer(memberRetry)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.stopped:
	}
}

func (w *memberWriter) isStopped() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopping
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
