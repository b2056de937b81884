package cache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/cache/cachetest"
)

const lockLife = 2 * time.Second

// lockingCache is a fake cache that has locks, too.
type lockingCache struct {
	*fakeCache
	cachetest.Locks

	mu       sync.Mutex // guards failures
	failures int        // so many locks fail, all if it is below zero
}

func newLockingCache() *lockingCache { return &lockingCache{fakeCache: newFakeCache()} }

func (c *lockingCache) TryLock(ctx context.Context, key, token string, life time.Duration) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failures != 0 {
		c.failures--
		return false, errSource
	}
	return c.Locks.TryLock(ctx, key, token, life)
}

// server is a loader of one of several servers over a cache.
func server(t *testing.T, c cache.Cache, life time.Duration, waits *atomic.Int32) *cache.Loader[string] {
	l := cache.NewLoader(c, cache.LoaderConfig[string]{
		TTL: ttl, Timeout: timeout, LockLife: life,
		Encode: func(text string) ([]byte, error) { return []byte(text), nil },
		Decode: func(b []byte) (string, error) { return string(b), nil },
		OnWait: func() { waits.Add(1) },
	})
	t.Cleanup(l.Close)
	return l
}

// TestOneServerLoads: of many servers whose callers miss a key at once, one loads.
func TestOneServerLoads(t *testing.T) {
	const servers, callers = 5, 20
	for _, row := range []struct {
		name        string
		life        time.Duration
		failures    int
		loads, wait int32
		most        time.Duration
	}{
		{"with the lock", lockLife, 0, 1, servers - 1, 400 * time.Millisecond},
		{"without it", 0, 0, servers, 0, 400 * time.Millisecond}, // each would
		{"of a cache that is late now and then", lockLife, 3 * servers, 1, servers - 1, time.Second},
		{"while locks cannot be had", lockLife, -1, servers, 0, 3500 * time.Millisecond},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newLockingCache()
				c.failures = row.failures
				var loads, waits atomic.Int32
				load := func(context.Context) (string, bool, error) {
					loads.Add(1)
					<-time.After(300 * time.Millisecond)
					return "value", true, nil
				}
				var running sync.WaitGroup
				for range servers {
					l := server(t, c, row.life, &waits)
					for range callers {
						running.Go(func() {
							if got, ok, err := l.Get(t.Context(), "key", load); got != "value" || !ok || err != nil {
								t.Errorf("got %q, %v, %v", got, ok, err)
							}
						})
					}
				}
				began := time.Now()
				running.Wait()
				if loads.Load() != row.loads || waits.Load() != row.wait {
					t.Errorf("got %d loads and %d waits, want %d and %d", loads.Load(), waits.Load(), row.loads, row.wait)
				}
				if took := time.Since(began); took > row.most {
					t.Errorf("took %v, want at most %v", took, row.most)
				}
				if n := c.Held(); n > 0 {
					t.Errorf("got %d locks afterwards, want none", n)
				}
			})
		})
	}
}

// TestADeadServerIsWaitedFor as long as its lock lives, and no longer.
func TestADeadServerIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newLockingCache()
		if ok, err := c.TryLock(t.Context(), "key", "dead", lockLife); !ok || err != nil {
			t.Fatal("the lock cannot be had")
		}
		began := time.Now()
		got, _, err := server(t, c, lockLife, new(atomic.Int32)).Get(t.Context(), "key", gives("value"))
		if took := time.Since(began); err != nil || got != "value" || took < lockLife || took > lockLife+2*time.Second/10 {
			t.Errorf("got %q, %v after %v, want the value a moment after %v", got, err, took, lockLife)
		}
	})
}

// TestASlowLoadIsWaitedFor for as long as its server lives.
func TestASlowLoadIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, loads := newLockingCache(), new(atomic.Int32)
		const slow = timeout - lockLife/2
		if slow < 2*lockLife {
			t.Fatalf("a load of %v shows nothing", slow)
		}
		slowly := func(context.Context) (string, bool, error) {
			loads.Add(1)
			<-time.After(slow)
			return "value", true, nil
		}
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if got, _, err := server(t, c, lockLife, new(atomic.Int32)).Get(t.Context(), "key", slowly); err != nil || got != "value" {
					t.Errorf("got %q, %v, want the value", got, err)
				}
			})
		}
		both.Wait()
		if n := loads.Load(); n != 1 {
			t.Errorf("got %d loads, want one", n)
		}
	})
}

// TestTheNextServerLoads when the first one's load has failed.
func TestTheNextServerLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newLockingCache()
		failed := make(chan error)
		go func() {
			_, _, err := server(t, c, lockLife, new(atomic.Int32)).Get(t.Context(), "key", func(context.Context) (string, bool, error) {
				<-time.After(100 * time.Millisecond)
				return "", false, errSource
			})
			failed <- err
		}()
		synctest.Wait()
		began := time.Now()
		got, _, err := server(t, c, lockLife, new(atomic.Int32)).Get(t.Context(), "key", gives("value"))
		if took := time.Since(began); err != nil || got != "value" || took > 300*time.Millisecond {
			t.Errorf("got %q, %v after %v, want the value soon after the failure", got, err, took)
		}
		if err := <-failed; !errors.Is(err, errSource) {
			t.Errorf("the first one: got %v, want %v", err, errSource)
		}
	})
}

// TestWhoWaitsForALockGivesUp when his time is over, or the loader is closed.
func TestWhoWaitsForALockGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newLockingCache()
		if ok, err := c.TryLock(t.Context(), "key", "other", time.Hour); !ok || err != nil {
			t.Fatal("the lock cannot be had")
		}
		l, began := server(t, c, lockLife, new(atomic.Int32)), time.Now()
		_, _, err := l.Get(t.Context(), "key", gives("value"))
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != timeout {
			t.Errorf("got %v after %v, want %v after %v", err, took, context.DeadlineExceeded, timeout)
		}
		failed := make(chan error)
		go func() { _, _, err := l.Get(t.Context(), "key", gives("value")); failed <- err }()
		synctest.Wait()
		l.Close()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("when it was closed: got %v, want %v", err, context.Canceled)
		}
	})
}

// TestAValueThatIsNotGoodIsLoadedAgain, once for all who need a better one.
func TestAValueThatIsNotGoodIsLoadedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		s.want(gives("1"), "1", true)
		better := func(least string) func(string) bool { return func(v string) bool { return v >= least } }
		var loads atomic.Int32
		load := func(context.Context) (string, bool, error) {
			loads.Add(1)
			<-time.After(time.Second)
			return "5", true, nil
		}
		get := func(least, want string) {
			if got, _, err := s.GetIf(t.Context(), "key", better(least), load); got != want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		}
		get("1", "1")
		var running sync.WaitGroup
		for i := range 50 {
			running.Go(func() { get(fmt.Sprint(2+i%3), "5") })
		}
		running.Wait()
		if got := loads.Load(); got != 1 {
			t.Errorf("got %d loads, want 1", got)
		}
		get("9", "5") // the source has no better one
		if got := loads.Load(); got != 2 {
			t.Errorf("got %d loads, want 2", got)
		}
	})
}

// TestNobodyIsServedWhatIsGoodForAnother: a load that found in the cache what was
// good for its first caller is none for one who needs more.
func TestNobodyIsServedWhatIsGoodForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		found := make(chan struct{})
		further := func(context.Context) (string, bool, error) { <-found; return "3", true, nil } // of a tier behind
		var running sync.WaitGroup
		running.Go(func() { _, _, _ = s.GetIf(t.Context(), "key", func(v string) bool { return v >= "3" }, further) })
		synctest.Wait()
		running.Go(func() {
			got, _, err := s.GetIf(t.Context(), "key", func(v string) bool { return v >= "7" }, gives("7"))
			if got != "7" || err != nil {
				t.Errorf("got %q, %v, want 7", got, err)
			}
		})
		synctest.Wait()
		close(found)
		running.Wait()
	})
}

func TestEachValueHasItsTimeToLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCache()
		l := cache.NewLoader(c, cache.LoaderConfig[string]{
			TTL: ttl, Timeout: timeout,
			TTLOf: func(v string) time.Duration {
				return map[string]time.Duration{"brief": time.Second, "long": time.Hour}[v]
			},
			Encode: func(text string) ([]byte, error) { return []byte(text), nil },
			Decode: func(b []byte) (string, error) { return string(b), nil },
		})
		defer l.Close()
		for _, v := range []string{"brief", "long", "none"} {
			if _, _, err := l.Get(t.Context(), v, gives(v)); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(10 * time.Second)
		for v, want := range map[string]string{"brief": "new", "long": "long", "none": "new"} {
			if got, _, _ := l.Get(t.Context(), v, gives("new")); got != want {
				t.Errorf("%s, later: got %q, want %q", v, got, want)
			}
		}
	})
}

// TestACacheThatIsAwayIsWaitedForOnce: who loads while it is known to be away does
// not wait, and when it is back it is used.
func TestACacheThatIsAwayIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newLockingCache()
		c.err, c.failures = errSource, -1
		l := server(t, c, lockLife, new(atomic.Int32))
		for _, most := range []time.Duration{3200 * time.Millisecond, 0, 0} {
			began := time.Now()
			if got, _, err := l.Get(t.Context(), "key", gives("value")); got != "value" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			if took := time.Since(began); took > most {
				t.Errorf("took %v, want at most %v", took, most)
			}
		}
		c.err, c.failures = nil, 0
		for range 2 {
			if _, _, err := l.Get(t.Context(), "key", gives("later")); err != nil {
				t.Error(err)
			}
		}
		if got := string(c.values["key"]); got != "\x01later" {
			t.Errorf("got %q in the cache that is back, want the value", got)
		}
	})
}
