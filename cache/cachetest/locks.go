package cachetest

import (
	"context"
	"sync"
	"time"

	"github.com/breakwater-chat/breakwater/cache"
)

// Locks is a cache.Locker in memory, for fakes of a cache that servers share. The zero
// one is ready.
type Locks struct {
	mu   sync.Mutex // guards held
	held map[string]lock
}

var _ cache.Locker = (*Locks)(nil)

// lock is a lock that somebody has.
type lock struct {
	token string
	until time.Time
}

// TryLock implements cache.Locker.
func (l *Locks) TryLock(_ context.Context, key, token string, life time.Duration) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other, ok := l.held[key]; ok && other.token != token && time.Now().Before(other.until) {
		return false, nil
	}
	if l.held == nil {
		l.held = map[string]lock{}
	}
	l.held[key] = lock{token, time.Now().Add(life)}
	return true, nil
}

// Unlock implements cache.Locker.
func (l *Locks) Unlock(_ context.Context, key, token string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[key].token == token {
		delete(l.held, key)
	}
	return nil
}

// Held is how many locks somebody has, or has let expire.
func (l *Locks) Held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held)
}
