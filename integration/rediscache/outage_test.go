package rediscache_test

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/cache/rediscache"
)

// limit is what one call may take of a frozen Redis, rest how long others are
// spared after that; slack is the machine's, and far less than what calls would take
// that all wait.
const (
	limit = time.Second
	rest  = 500 * time.Millisecond
	slack = 10 * time.Second
)

// calls are all that a cache is asked.
func calls(c cache.Cache) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"get":       func(ctx context.Context) error { _, _, err := c.Get(ctx, "key"); return err },
		"set":       func(ctx context.Context) error { return c.Set(ctx, "key", []byte("x"), time.Minute) },
		"mark":      func(ctx context.Context) error { _, err := c.Mark(ctx, "key"); return err },
		"set since": func(ctx context.Context) error { return c.SetSince(ctx, "m", "key", []byte("x"), time.Minute) },
		"delete":    func(ctx context.Context) error { return c.Delete(ctx, "key", "other") },
		"lock": func(ctx context.Context) error {
			_, err := c.(cache.Locker).TryLock(ctx, "key", "token", time.Minute)
			return err
		},
		"unlock": func(ctx context.Context) error { return c.(cache.Locker).Unlock(ctx, "key", "token") },
	}
}

// freeze pauses Redis until the function that it returns is called, or the test ends.
func freeze(t *testing.T) (thaw func()) {
	t.Helper()
	must(t, "pause", server.Pause(t.Context()))
	thaw = sync.OnceFunc(func() { must(t, "unpause", server.Unpause(context.Background())) })
	t.Cleanup(thaw)
	return thaw
}

func answers(t *testing.T, c cache.Cache) {
	t.Helper()
	eventually(t, "Redis answers again", func() bool {
		_, _, err := c.Get(context.Background(), rand.Text())
		return err == nil
	})
}

func TestAFrozenRedisCostsACallLittle(t *testing.T) {
	for name := range calls(nil) {
		t.Run(name, func(t *testing.T) {
			c := openAsServers(t, rediscache.Config{})
			answers(t, c)
			thaw := freeze(t)
			began := time.Now()
			err := calls(c)[name](t.Context())
			if took := time.Since(began); err == nil || took > limit+slack {
				t.Errorf("got %v after %v, want an error within %v", err, took, limit)
			}
			thaw()
			answers(t, c)
		})
	}
}

// A storm of callers while Redis is frozen: some wait, once, and all others fail
// at once, until it is back.
func TestAFrozenRedisCostsMostCallsNothing(t *testing.T) {
	const callers, each = 50, 100
	c := openAsServers(t, rediscache.Config{})
	answers(t, c)
	thaw, made, before := freeze(t), callers*each*len(calls(c)), c.counted(t, "errors")
	began := time.Now()
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				for name, call := range calls(c) {
					if err := call(t.Context()); err == nil {
						t.Errorf("%s: got no error from a frozen Redis", name)
					}
				}
			}
		})
	}
	all.Wait()
	// The first call of each may wait, and one of them after every rest.
	if took := time.Since(began); took > 4*limit+slack {
		t.Errorf("%d calls took %v, want few of them to wait", made, took)
	}
	if got := c.counted(t, "errors") - before; got != float64(made) {
		t.Errorf("got %v errors counted, want %d", got, made)
	}
	thaw()
	back := time.Now()
	answers(t, c)
	if took := time.Since(back); took > rest+limit+slack {
		t.Errorf("got an answer %v after Redis was back, want it within %v", took, rest+limit)
	}
}

// Callers who go away say nothing about Redis.
func TestImpatientCallersDoNotCloseTheCacheToOthers(t *testing.T) {
	c := open(t, rediscache.Config{})
	answers(t, c)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		for name, call := range calls(c) {
			if err := call(gone); !errors.Is(err, context.Canceled) {
				t.Errorf("%s for nobody: got %v, want %v", name, err, context.Canceled)
			}
		}
	}
	for name, call := range calls(c) {
		must(t, name, call(t.Context()))
	}
}

// What Redis refuses by an answer is no outage.
func TestRefusalsDoNotCloseTheCacheToOthers(t *testing.T) {
	c, prefix := open(t, rediscache.Config{}), "breakwater:cache:value:"
	key := rand.Text()
	must(t, "push", raw.RPush(t.Context(), prefix+key, "no string").Err())
	for range 20 {
		if _, _, err := c.Get(t.Context(), key); err == nil {
			t.Fatal("get of a list: got no error")
		}
	}
	_, _, err := c.Get(t.Context(), rand.Text())
	must(t, "get of another key", err)
	must(t, "delete", c.Delete(t.Context(), key))
}

// A Redis that was killed and is back serves without anybody's help, also a cache
// that was opened while it was away.
func TestRedisComesBack(t *testing.T) {
	early, key := open(t, rediscache.Config{}), rand.Text()
	must(t, "set", early.Set(t.Context(), key, []byte("x"), time.Minute))
	must(t, "kill", server.Kill(t.Context()))
	late := open(t, rediscache.Config{})
	for _, c := range []view{early, late} {
		for name, call := range calls(c) {
			if err := call(t.Context()); err == nil {
				t.Errorf("%s: got no error without Redis", name)
			}
		}
	}
	must(t, "start", server.Start(t.Context()))
	for _, c := range []view{early, late} {
		answers(t, c)
		for name, call := range calls(c) {
			must(t, name, call(t.Context()))
		}
	}
}
