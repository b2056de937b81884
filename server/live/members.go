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
// membership that stays would be a user who is not there. Nor does it wait behind
// joins, or joins behind it, while the store is away: joins fail at once then.
type memberWriter struct {
	hub *Hub

	// mu guards queue, failing and stopping.
	mu       sync.Mutex
	queue    []*memberChange
	failing  bool // the store has refused the last batch
	stopping bool
	filled   chan struct{} // has a token when the queue may have something
	stopped  chan struct{} // closed by stop
}

// memberChange is a connection's join or leave on its way to the store.
type memberChange struct {
	store.Change
	conn *conn
	// done is called once, from another goroutine or at once.
	done func(store.Outcome, error)
	// taken and givenUp are guarded by the writer's mu: the store may have seen it,
	// and nobody waits for it any more.
	taken, givenUp bool
}

func newMemberWriter(h *Hub) *memberWriter {
	return &memberWriter{hub: h, filled: make(chan struct{}, 1), stopped: make(chan struct{})}
}

// add queues a change.
func (w *memberWriter) add(c *memberChange) {
	if err := w.tryAdd(c); err != nil {
		c.done(store.Outcome{}, err)
		return
	}
	select {
	case w.filled <- struct{}{}:
	default:
	}
}

func (w *memberWriter) tryAdd(c *memberChange) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !c.Leave {
		switch {
		case w.failing:
			return errNoUserList(nil)
		case w.stopping || len(w.queue) >= maxPendingJoins:
			return bw.Errorf(bw.Overloaded, "too many people are joining at this moment")
		}
	}
	w.queue = append(w.queue, c)
	return nil
}

func errNoUserList(cause error) error {
	return bw.Unavailablef(cause, "the room's user list cannot be written now")
}

// giveUp says that nobody waits for a join any more: one that the store has not
// seen is forgotten, another is taken back.
func (w *memberWriter) giveUp(c *memberChange) {
	w.mu.Lock()
	c.givenUp = true
	taken := c.taken
	w.mu.Unlock()
	if taken {
		w.hub.leave(c.conn, c.Room)
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

func (w *memberWriter) take() (batch []*memberChange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for ; n < len(w.queue) && len(batch) < memberBatchSize; n++ {
		if c := w.queue[n]; !c.givenUp {
			c.taken = true
			batch = append(batch, c)
		}
	}
	if w.queue = w.queue[n:]; len(w.queue) == 0 {
		w.queue = nil
	}
	return batch
}

// write writes a batch. If the store refuses it, its joins fail, and its leaves
// are put back to be tried again until they succeed, the hub stops, or the
// incarnation is fenced.
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
		for _, c := range batch {
			c.done(store.Outcome{}, errNoUserList(err)) // orphans now, for the janitor
		}
		return
	}
	w.putBack(batch, err)
	w.pause()
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

// putBack queues what a refused batch has to leave in front of everything else:
// its leaves and, as the store may have done for all it said, its joins. They fail,
// like those that are queued.
func (w *memberWriter) putBack(batch []*memberChange, err error) {
	var failed []*memberChange
	for i, c := range batch {
		if !c.Leave {
			failed = append(failed, c)
			batch[i] = w.hub.leaving(c.conn, c.Room)
		}
	}
	w.mu.Lock()
	w.failing = true
	for _, c := range w.queue {
		if c.Leave {
			batch = append(batch, c)
		} else if !c.givenUp {
			failed = append(failed, c)
		}
	}
	w.queue = batch
	w.mu.Unlock()
	for _, c := range failed {
		c.done(store.Outcome{}, errNoUserList(err))
	}
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
