// Package memcache is the cache of a single process.
package memcache

import (
	"context"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/breakwater-chat/breakwater/cache"
	"github.com/maypok86/otter/v2"
)

// Config sizes a cache.
type Config struct {
	// MaxBytes bounds keys, values and the overhead of keeping them (32 MiB). A
	// value that is larger than that is not kept.
	MaxBytes int64
}

const defaultBytes = 32 << 20

// Cache implements cache.Cache in memory. What is rarely used makes room for
// what is often used (W-TinyLFU). Its methods never fail and ignore contexts.
type Cache struct {
	entries *otter.Cache[string, entry]
	marks   atomic.Uint64 // given so far
}

var _ cache.Cache = (*Cache)(nil)

// entry is what is known of a key: a value, its mark, or both.
type entry struct {
	value []byte
	held  bool // there is a value
	mark  cache.Mark
	until time.Time
}

// New makes an empty cache. Close stops its goroutine.
func New(cfg Config) *Cache {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = defaultBytes
	}
	return &Cache{entries: otter.Must(&otter.Options[string, entry]{
		MaximumWeight: uint64(cfg.MaxBytes),
		Weigher:       weigh,
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, entry]) time.Duration {
			return time.Until(e.Value.until)
		}),
		// Evictions run on the goroutine that sets: the bound holds when Set
		// returns, and no goroutine is left behind.
		Executor: func(task func()) { task() },
	})}
}

// weigh is roughly what an entry takes in memory.
func weigh(key string, e entry) uint32 {
	const overhead = 192
	return uint32(min(overhead+len(key)+len(e.value), math.MaxUint32))
}

// Get implements cache.Cache.
func (c *Cache) Get(_ context.Context, key string) ([]byte, bool, error) {
	e, _ := c.entries.GetIfPresent(key)
	return e.value, e.held, nil
}

// Set implements cache.Cache.
func (c *Cache) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	c.entries.Set(key, holding(value, ttl))
	return nil
}

func holding(value []byte, ttl time.Duration) entry {
	return entry{value: value, held: true, until: time.Now().Add(ttl)}
}

// Mark implements cache.Cache. The mark of a key that has a value goes with it.
func (c *Cache) Mark(_ context.Context, key string) (cache.Mark, error) {
	var mark cache.Mark
	c.entries.Compute(key, func(e entry, found bool) (entry, otter.ComputeOp) {
		if mark = e.mark; mark != "" {
			return e, otter.CancelOp
		}
		mark = cache.Mark(strconv.FormatUint(c.marks.Add(1), 36))
		if e.mark = mark; !found {
			e.until = time.Now().Add(cache.MarkLife)
		}
		return e, otter.WriteOp
	})
	return mark, nil
}

// SetSince implements cache.Cache.
func (c *Cache) SetSince(_ context.Context, mark cache.Mark, key string, value []byte, ttl time.Duration) error {
	c.entries.Compute(key, func(e entry, _ bool) (entry, otter.ComputeOp) {
		if mark == "" || e.mark != mark {
			return e, otter.CancelOp
		}
		return holding(value, ttl), otter.WriteOp
	})
	return nil
}

// Delete implements cache.Cache.
func (c *Cache) Delete(_ context.Context, keys ...string) error {
	for _, key := range keys {
		c.entries.Invalidate(key)
	}
	return nil
}

// Bytes is what the entries take.
func (c *Cache) Bytes() int64 { return int64(c.entries.WeightedSize()) }

// Close implements cache.Cache. It forgets everything.
func (c *Cache) Close() error {
	c.entries.InvalidateAll()
	c.entries.StopAllGoroutines()
	return nil
}
