package live

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/ablation"
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
//
// It writes under one incarnation of the server at a time. When that is dead, it
// begins anew under the next one.
type memberWriter struct {
	hub *Hub

	// Owned by run: the incarnation, its last batch's number, and its end.
	identity store.Identity
	number   int64
	over     <-chan struct{}

	// mu guards the fields down to stopping.
	mu       sync.Mutex
	lives    int // how many incarnations were over
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
	w := &memberWriter{
		hub: h, waiting: make(map[memberKey]*memberChange),
		filled: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	w.identity, w.over = h.deps.Lease.Current()
	return w
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
	w.wake()
}

// wake says that there is something in the queue.
func (w *memberWriter) wake() {
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
			w.gather()
		case <-w.over:
			w.succeed(nil)
		case <-w.stopped:
		}
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
func (w *memberWriter) gather() { w.pause(memberGather) }

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

// write writes a batch. One that may have been written, for nobody has said that it
// was not, is written again as it is until there is an answer, the hub stops, or the
// incarnation is dead: the store then does it once.
func (w *memberWriter) write(batch []*memberChange) {
	changes := make([]store.Change, len(batch))
	for i := range batch {
		changes[i] = batch[i].Change
	}
	w.number++
	for {
		outcomes, err := w.apply(changes)
		if err == nil {
			w.setFailing(false)
			for i, o := range outcomes {
				batch[i].done(o, nil)
			}
			return
		}
		w.hub.metrics.memberErrors.Inc()
		w.hub.deps.Log.Warn("writing joins and leaves", "changes", len(batch), "error", err)
		switch {
		case w.isStopped():
			w.abandon(batch, err)
			return
		case errors.Is(err, store.ErrFenced):
			w.awaitSuccession(batch, err)
			return
		case bw.KindOf(err) != bw.Unavailable:
			w.refused(batch, err)
			return
		}
		w.postponeAll(batch)
		w.pause(memberRetry)
	}
}

// refused finds those of a batch that the store will never take, and answers them.
func (w *memberWriter) refused(batch []*memberChange, cause error) {
	if half := len(batch) / 2; half > 0 {
		w.write(batch[:half])
		w.write(batch[half:])
		return
	}
	batch[0].done(store.Outcome{}, cause)
}

// awaitSuccession waits for the next incarnation with a batch that the store has
// refused because the present one is dead.
func (w *memberWriter) awaitSuccession(batch []*memberChange, cause error) {
	w.hub.deps.Lease.Lost(w.identity)
	w.postponeAll(batch)
	select {
	case <-w.over:
		w.succeed(batch)
	case <-w.stopped:
		w.abandon(batch, cause)
	}
}

// succeed goes over to the server's next incarnation, of which the store has no
// membership. The joins on their way are written under it; leaves have nothing to undo
// any more; whoever is in a room is entered again.
func (w *memberWriter) succeed(underWay []*memberChange) {
	w.identity, w.over = w.hub.deps.Lease.Current()
	w.number = 0
	for _, c := range w.beginLife(underWay) {
		c.done(store.Outcome{}, bw.Unavailablef(store.ErrFenced, "the room's user list is written anew"))
	}
	if ablation.Off(ablation.Reentry) {
		return
	}
	for c := range w.hub.table.all() {
		w.enter(c)
	}
}

// beginLife queues what goes on into the next life and returns the leaves, which end
// with this one.
func (w *memberWriter) beginLife(underWay []*memberChange) (leaves []*memberChange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lives++
	behind := w.queue
	w.queue = nil
	for _, c := range underWay {
		if w.waiting[c.key()] == nil {
			w.waiting[c.key()] = c
			w.queue = append(w.queue, c)
		}
	}
	w.queue = slices.DeleteFunc(append(w.queue, behind...), func(c *memberChange) bool {
		if c.Leave && !c.void {
			delete(w.waiting, c.key())
			leaves = append(leaves, c)
		}
		c.seen = false
		return c.void || c.Leave
	})
	return leaves
}

// confirm enters a connection again whose join was asked for in an earlier life: when
// this one began it was in no room yet, to be found there.
func (w *memberWriter) confirm(c *conn, life int) {
	if w.life() != life {
		w.enter(c)
	}
}

// life numbers the server's incarnations.
func (w *memberWriter) life() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lives
}

// enter enters a connection again into the rooms that it is in. It holds the
// connection, so that none of them is left before its membership is on its way.
func (w *memberWriter) enter(c *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range c.rooms {
		again := w.hub.entering(c, m.room.id)
		if w.waiting[again.key()] == nil {
			again.seen = true // if it was written in this life already, a leave is due
			w.enqueue(again)
		}
	}
	w.wake()
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
	outcomes, err := w.hub.deps.Members.ApplyChanges(ctx, w.identity, w.number, changes)
	w.hub.metrics.memberBatch.Observe(float64(len(changes)))
	w.hub.metrics.memberLatency.Observe(time.Since(began).Seconds())
	return outcomes, err
}

// postponeAll tells the joins of a batch, and those that are queued, that they will be
// written later.
func (w *memberWriter) postponeAll(batch []*memberChange) {
	if ablation.Off(ablation.LateJoins) {
		return
	}
	var late []*memberChange
	w.mu.Lock()
	w.failing = true
	for _, c := range append(batch[:len(batch):len(batch)], w.queue...) {
		if !c.void && w.postpone(c) {
			late = append(late, c)
		}
	}
	w.mu.Unlock()
	for _, c := range late {
		c.postponed()
	}
}

func (w *memberWriter) setFailing(failing bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failing = failing
}

// pause waits, unless the hub stops.
func (w *memberWriter) pause(d time.Duration) {
	timer := time.NewTimer(d)
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
