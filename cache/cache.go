// Package cache is the contract of a byte cache shared by the servers of a
// deployment, and the single-flight loader in front of it.
//
// A cache holds copies only: everything in it can be loaded again, so every
// error of a cache is survivable and a lost entry costs time, not truth.
package cache

import (
	"context"
	"time"
)

// Cache keeps byte values under string keys for a time.
type Cache interface {
	// Get returns the value and true, or false when there is none. The value
	// must not be changed by the caller.
	Get(ctx context.Context, key string) ([]byte, bool, error)
	// Set keeps a value until ttl (positive) is over or room is needed. The cache
	// owns the value from then on.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Delete forgets keys, on every server that shares the cache. When it
	// returns, no Get returns what was set before.
	Delete(ctx context.Context, keys ...string) error
	// Close releases what the cache holds open.
	Close() error
}
