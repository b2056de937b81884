package rediscache_test

import (
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/cache/rediscache"
)

func lock(t *testing.T, c cache.Locker, key, token string, life time.Duration) bool {
	t.Helper()
	ok, err := c.TryLock(t.Context(), key, token, life)
	must(t, "lock", err)
	return ok
}

func TestOneHoldsALock(t *testing.T) {
	a, b, key := open(t, rediscache.Config{}), open(t, rediscache.Config{}), rand.Text()
	if !lock(t, a, key, "a", time.Minute) {
		t.Fatal("a free lock: got none")
	}
	for name, c := range map[string]view{"another server": b, "the same one": a} {
		if lock(t, c, key, "other", time.Minute) {
			t.Errorf("%s: got a lock that is held", name)
		}
	}
	if !lock(t, a, key, "a", time.Minute) {
		t.Error("with the token that has it: got none, as if the answer had not been lost")
	}
	if !lock(t, b, key+" other", "b", time.Minute) {
		t.Error("the lock of another key: got none")
	}
	if _, ok, err := b.Get(t.Context(), key); ok || err != nil {
		t.Errorf("the value of the key: got %v, %v, want none", ok, err)
	}
	must(t, "unlock", a.Unlock(t.Context(), key, "a"))
	if !lock(t, b, key, "b", time.Minute) {
		t.Error("a lock that was given back: got none")
	}
	must(t, "unlock again", a.Unlock(t.Context(), key, "a")) // it is the other one's now
	if lock(t, a, key, "a", time.Minute) {
		t.Error("given back twice: got a lock that is held")
	}
}

// TestALockEndsByItself when its holder has died.
func TestALockEndsByItself(t *testing.T) {
	const life = 200 * time.Millisecond
	a, b, key, began := open(t, rediscache.Config{}), open(t, rediscache.Config{}), rand.Text(), time.Now()
	if !lock(t, a, key, "dead", life) {
		t.Fatal("a free lock: got none")
	}
	eventually(t, "the lock is free", func() bool { return lock(t, b, key, "b", time.Minute) })
	if took := time.Since(began); took < life-2*time.Millisecond {
		t.Errorf("free after %v, want %v", took, life)
	}
}

// TestALockIsRenewed by who has it and takes it again.
func TestALockIsRenewed(t *testing.T) {
	const life = 200 * time.Millisecond
	a, b, key := open(t, rediscache.Config{}), open(t, rediscache.Config{}), rand.Text()
	lock(t, a, key, "a", life)
	renewed := time.Now()
	if !lock(t, a, key, "a", 5*life) {
		t.Fatal("a lock of one's own: got none")
	}
	eventually(t, "the lock is free", func() bool { return lock(t, b, key, "b", time.Minute) })
	if took := time.Since(renewed); took < 5*life-2*time.Millisecond {
		t.Errorf("free %v after it was renewed, want %v", took, 5*life)
	}
}

func TestManyWantALock(t *testing.T) {
	views, key := []view{open(t, rediscache.Config{}), open(t, rediscache.Config{}), open(t, rediscache.Config{})}, rand.Text()
	var got, holders, most atomic.Int32
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			token := rand.Text()
			ok, err := views[i%3].TryLock(t.Context(), key, token, time.Minute)
			if err != nil {
				t.Errorf("got %v", err)
			}
			if !ok {
				return
			}
			got.Add(1)
			if now := holders.Add(1); now > most.Load() {
				most.Store(now)
			}
			holders.Add(-1)
			if err := views[i%3].Unlock(t.Context(), key, token); err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	if got.Load() == 0 || most.Load() > 1 {
		t.Errorf("got %d locks, %d at once, want some, one at a time", got.Load(), most.Load())
	}
}
