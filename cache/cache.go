// Package cache is the contract of a byte cache shared by the servers of a
// deployment, and the single-flight loader in front of it.
//
// A cache holds copies only: everything in it can be loaded again, so every
// error of a cache is survivable and a lost entry costs time, not truth.
//
// What a cache must not do is bring back what is no longer true: a server reads
// a value at its source, another changes and deletes it, and the first one keeps
// what it has read. So whoever keeps what he loads takes a mark of the key before
// he loads, and sets since that mark.
package cache

import (
	"context"
	"time"
)

// Mark stands for the time between two changes of a key. The empty mark stands
// for none.
type Mark string

// MarkLife is how long a mark serves; it is longer than any load.
const MarkLife = time.Minute

// Cache keeps byte values under string keys for a time.
type Cache interface {
	// Get returns the value and true, or false when there is none. The value
	// must not be changed by the caller.
	Get(ctx context.Context, key string) ([]byte, bool, error)
	// Set keeps a value until ttl (positive) is over or room is needed. The cache
	// owns the value from then on.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Mark returns the mark of a key. It is the same on every server until the key
	// is set or deleted, and then one that never was before. The cache may forget
	// a mark early, as it may a value.
	Mark(ctx context.Context, key string) (Mark, error)
	// SetSince is Set if the mark is still the key's, and does nothing otherwise.
	SetSince(ctx context.Context, mark Mark, key string, value []byte, ttl time.Duration) error
	// Delete forgets keys, on every server that shares the cache. When it
	// returns, no Get returns what was set before.
	Delete(ctx context.Context, keys ...string) error
	// Close releases what the cache holds open.
	Close() error
}

// Locker is a cache that can also choose one of all the servers that share it. Its
// locks only spare work: one that is lost, or ends early, costs a second load.
type Locker interface {
	// TryLock takes the lock of a key, which is no value's, for life at most, and
	// says false if another one has it. The token is the caller's own and random: who
	// got no answer may have the lock, and has it if he tries again with the same. Who
	// has it and tries again has it for life from then on.
	TryLock(ctx context.Context, key, token string, life time.Duration) (bool, error)
	// Unlock gives a lock back, unless it has passed to another token.
	Unlock(ctx context.Context, key, token string) error
}
