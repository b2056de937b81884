// Package admission meters what clients may ask of a server.
package admission

import (
	"maps"
	"math"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

// Config is one kind of allowance.
type Config struct {
	// Rate is how many a second each key may do, at most 1e9; Burst is how many at
	// once after a rest. 0 for either switches the metering off.
	Rate  float64
	Burst int
	// MaxKeys bounds how many keys are remembered.
	MaxKeys int
}

// Buckets is a token bucket a key. A bucket that is full again is forgotten:
// it is as good as a new one. The arithmetic is that of the generic cell rate
// algorithm, in whole nanoseconds, so that what is said about the time to wait
// is true to the nanosecond.
type Buckets struct {
	// interval is what one costs, refill the time from empty to full.
	interval, refill time.Duration
	maxKeys          int

	// mu guards the rest.
	mu sync.Mutex
	// full is when each key's bucket will be.
	full  map[string]time.Time
	swept time.Time
}

// longest is as good as for ever, and far from overflowing.
const longest = 100 * 365 * 24 * time.Hour

// sweepPause is how often at most full buckets are looked for.
const sweepPause = time.Second

// NewBuckets makes buckets, all full.
func NewBuckets(cfg Config) *Buckets {
	b := &Buckets{maxKeys: cfg.MaxKeys, full: make(map[string]time.Time), swept: time.Now()}
	if cfg.Rate > 0 && cfg.Burst > 0 {
		b.interval = time.Duration(math.Min(math.Ceil(float64(time.Second)/cfg.Rate), float64(longest)))
		burst := max(1, min(int64(cfg.Burst), int64(longest/b.interval))) // one always fits
		b.refill = time.Duration(burst) * b.interval
	}
	return b
}

// Allow takes one from the key's bucket, or says after what time there is one.
func (b *Buckets) Allow(key string) (retryAfter time.Duration, ok bool) {
	if b.interval == 0 {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	full, known := b.full[key]
	if !known && !b.room(now) {
		return sweepPause, false // so many different keys are an attack: none of them is new enough to pass
	}
	if full.Before(now) {
		full = now
	}
	full = full.Add(b.interval)
	if wait := full.Sub(now) - b.refill; wait > 0 {
		return wait, false
	}
	b.full[key] = full
	return 0, true
}

// room makes sure that one more key can be remembered. Full buckets are
// forgotten each time that an empty one could have filled.
func (b *Buckets) room(now time.Time) bool {
	since := now.Sub(b.swept)
	if since >= max(b.refill, sweepPause) || len(b.full) >= b.maxKeys && since >= sweepPause {
		b.swept = now
		maps.DeleteFunc(b.full, func(_ string, full time.Time) bool { return !full.After(now) })
	}
	return len(b.full) < b.maxKeys
}

// Sends meters users' sends.
type Sends struct{ *Buckets }

// Allow takes one send from the user's allowance.
func (s Sends) Allow(user bw.Name) (retryAfter time.Duration, ok bool) {
	return s.Buckets.Allow(string(user))
}
