package cache

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// outage is how long a cache must fail to be taken for away.
const outage = 3 * time.Second

// locking is a cache with locks.
type locking interface {
	Cache
	Locker
}

// insistent is a cache that other servers wait for. One that is there may be late on
// a busy machine, and what it is not told, or does not tell, each server loads for
// itself: so calls that fail are made again for a while, unless the cache is known
// to be away.
type insistent struct {
	cache locking
	away  atomic.Bool
}

// insist makes a call until it succeeds or the cache is away.
func (c *insistent) insist(ctx context.Context, call func() error) error {
	for began := time.Now(); ; {
		err := call()
		if err == nil {
			c.away.Store(false)
			return nil
		}
		if time.Since(began) >= outage {
			c.away.Store(true)
		}
		if c.away.Load() {
			return err
		}
		select {
		case <-time.After(lastPause + rand.N(lastPause)):
		case <-ctx.Done():
			return err
		}
	}
}

func (c *insistent) Get(ctx context.Context, key string) (value []byte, ok bool, err error) {
	err = c.insist(ctx, func() error { value, ok, err = c.cache.Get(ctx, key); return err })
	return value, ok, err
}

func (c *insistent) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return c.insist(ctx, func() error { return c.cache.Set(ctx, key, value, ttl) })
}

func (c *insistent) Mark(ctx context.Context, key string) (mark Mark, err error) {
	err = c.insist(ctx, func() error { mark, err = c.cache.Mark(ctx, key); return err })
	return mark, err
}

func (c *insistent) SetSince(ctx context.Context, mark Mark, key string, value []byte, ttl time.Duration) error {
	return c.insist(ctx, func() error { return c.cache.SetSince(ctx, mark, key, value, ttl) })
}

func (c *insistent) Delete(ctx context.Context, keys ...string) error {
	return c.insist(ctx, func() error { return c.cache.Delete(ctx, keys...) })
}

func (c *insistent) TryLock(ctx context.Context, key, token string, life time.Duration) (ok bool, err error) {
	err = c.insist(ctx, func() error { ok, err = c.cache.TryLock(ctx, key, token, life); return err })
	return ok, err
}

func (c *insistent) Unlock(ctx context.Context, key, token string) error {
	return c.insist(ctx, func() error { return c.cache.Unlock(ctx, key, token) })
}

func (c *insistent) Close() error { return c.cache.Close() }
