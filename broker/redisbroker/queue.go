package redisbroker

import "sync"

// queue is a list of accepted work, bounded in bytes. Work counts from put
// until release, so that what is being done counts too.
type queue[T any] struct {
	limit int
	// wake has room for one: a signal that there is something to take, or that
	// nothing more will come.
	wake chan struct{}

	mu     sync.Mutex // guards the rest
	items  []T
	bytes  int
	closed bool
}

func newQueue[T any](limit int) *queue[T] {
	return &queue[T]{limit: limit, wake: make(chan struct{}, 1)}
}

// put accepts an item, or says why not.
func (q *queue[T]) put(item T, cost int) refusal {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return refusedClosed
	case q.bytes+cost > q.limit:
		return refusedFull
	}
	q.items = append(q.items, item)
	q.bytes += cost
	signal(q.wake)
	return accepted
}

// take gives everything that waits; open is false once nothing more can come.
func (q *queue[T]) take() (items []T, open bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	items, q.items = q.items, nil
	return items, !q.closed
}

func (q *queue[T]) release(cost int) {
	q.mu.Lock()
	q.bytes -= cost
	q.mu.Unlock()
}

func (q *queue[T]) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	signal(q.wake)
}

// size is what counts against the limit.
func (q *queue[T]) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// signal wakes who waits, or who will wait next.
func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

func (q *queue[T]) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}
