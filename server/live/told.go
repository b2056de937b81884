package live

import (
	"sync"
	"time"
)

// What is remembered of what was told: whoever tells something again, or late, does it
// within seconds.
const (
	toldFor  = 2 * time.Minute
	maxTolds = 1 << 16
)

// told knows what came lately by its key, and the newest version of it, so that what
// comes again or too late is passed over. It remembers two generations: the older one
// goes when the younger is full or old. Safe for concurrent use.
type told[K comparable] struct {
	mu           sync.Mutex
	young, older map[K]int64
	began        time.Time // of the young generation
}

// note remembers that a version of key was told, and returns the newest that was told
// before it, if any is remembered.
func (t *told[K]) note(key K, version int64) (before int64, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, known = t.young[key]
	if !known {
		before, known = t.older[key]
	}
	if known && before >= version {
		return before, known
	}
	if t.young == nil || len(t.young) >= maxTolds || time.Since(t.began) >= toldFor {
		t.young, t.older, t.began = make(map[K]int64), t.young, time.Now()
	}
	t.young[key] = version
	return before, known
}
