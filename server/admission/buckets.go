// Package admission meters what clients may ask of a server.
package admission

import (
	"math"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

// Config is one kind of allowance.
type Config struct {
	// Rate is how many a second each key may do; 0 switches the metering off.
	Rate float64
	// Burst is how many at once after a rest.
	Burst int
	// MaxKeys bounds how many keys are remembered.
	MaxKeys int
}

// Buckets is a token bucket a key. A bucket that is full again is forgotten:
// it is as good as a new one.
type Buckets struct {
	cfg Config

	// mu guards the rest.
	mu    sync.Mutex
	keys  map[string]bucket
	swept time.Time
}

// bucket is how much of the burst was left at a time.
type bucket struct {
	left float64
	at   time.Time
}

// NewBuckets makes buckets, all full.
func NewBuckets(cfg Config) *Buckets {
	return &Buckets{cfg: cfg, keys: make(map[string]bucket), swept: time.Now()}
}

// Allow takes one from the key's bucket, or says after what time there is one.
func (b *Buckets) Allow(key string) (retryAfter time.Duration, ok bool) {
	if b.cfg.Rate <= 0 {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	have, known := b.keys[key]
	if !known {
		if !b.room(now) {
			return time.Second, false // so many different keys are an attack: none of them is new enough to pass
		}
		have = bucket{left: float64(b.cfg.Burst), at: now}
	}
	have = b.filled(have, now)
	if have.left < 1 {
		b.keys[key] = have
		return time.Duration((1 - have.left) / b.cfg.Rate * float64(time.Second)), false
	}
	have.left--
	b.keys[key] = have
	return 0, true
}

func (b *Buckets) filled(have bucket, now time.Time) bucket {
	return bucket{left: math.Min(float64(b.cfg.Burst), have.left+now.Sub(have.at).Seconds()*b.cfg.Rate), at: now}
}

// room makes sure that one more key can be remembered. Full buckets are
// forgotten each time that an empty one could have filled.
func (b *Buckets) room(now time.Time) bool {
	refill := time.Duration(float64(b.cfg.Burst) / b.cfg.Rate * float64(time.Second))
	if now.Sub(b.swept) >= max(refill, time.Second) || len(b.keys) >= b.cfg.MaxKeys && now.Sub(b.swept) >= time.Second {
		b.swept = now
		for key, have := range b.keys {
			if b.filled(have, now).left >= float64(b.cfg.Burst) {
				delete(b.keys, key)
			}
		}
	}
	return len(b.keys) < b.cfg.MaxKeys
}

// Sends meters users' sends.
type Sends struct{ *Buckets }

// Allow takes one send from the user's allowance.
func (s Sends) Allow(user bw.Name) (retryAfter time.Duration, ok bool) {
	return s.Buckets.Allow(string(user))
}
