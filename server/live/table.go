package live

import (
	"iter"
	"sync"
	"sync/atomic"
)

// table numbers the open connections, so that an epoll event can name one and
// the sweep can walk over all without a lock.
type table struct {
	slots []atomic.Pointer[conn]

	// mu guards free and used.
	mu   sync.Mutex
	free []int32 // slots that were given back
	used int32   // slots below it were given out at least once
}

func newTable(size int) *table { return &table{slots: make([]atomic.Pointer[conn], size)} }

func (t *table) full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int(t.used) == len(t.slots) && len(t.free) == 0
}

// reserve gives the connection a slot; false if there is none. Nobody finds it
// there before show.
func (t *table) reserve(c *conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch n := len(t.free); {
	case n > 0:
		c.slot = t.free[n-1]
		t.free = t.free[:n-1]
	case int(t.used) < len(t.slots):
		c.slot = t.used
		t.used++
	default:
		return false
	}
	return true
}

// show lets the connection be found: from then on others use it.
func (t *table) show(c *conn) { t.slots[c.slot].Store(c) }

func (t *table) remove(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slots[c.slot].Store(nil)
	t.free = append(t.free, c.slot)
}

// get returns the connection of a slot, nil if there is none.
func (t *table) get(slot int32) *conn { return t.slots[slot].Load() }

func (t *table) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int(t.used) - len(t.free)
}

// all walks over the connections that are open while it walks.
func (t *table) all() iter.Seq[*conn] { return t.part(0, 1) }

// part walks over every n-th connection, beginning with the i-th.
func (t *table) part(i, n int) iter.Seq[*conn] {
	return func(yield func(*conn) bool) {
		t.mu.Lock()
		used := int(t.used)
		t.mu.Unlock()
		for ; i < used; i += n {
			if c := t.slots[i].Load(); c != nil && !yield(c) {
				return
			}
		}
	}
}
