package cache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-chat/breakwater/cache"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ttl         = time.Minute
	negativeTTL = 10 * time.Second
	timeout     = 5 * time.Second
)

var errSource = errors.New("source is down")

// fakeCache is a cache without a bound that shows its times to live.
type fakeCache struct {
	mu      sync.Mutex // guards the rest
	values  map[string][]byte
	expires map[string]time.Time
	changes map[string]int // the marks
	ttls    []time.Duration
	err     error
	// blind makes SetSince as good as Set.
	blind bool
	// These run, if not nil, after a get that found nothing, before a set takes
	// effect, and after a delete.
	onMiss, onSet, onDelete func()
}

func newFakeCache() *fakeCache {
	return &fakeCache{values: map[string][]byte{}, expires: map[string]time.Time{}, changes: map[string]int{}}
}

func (c *fakeCache) Get(_ context.Context, key string) ([]byte, bool, error) {
	c.mu.Lock()
	value, ok := c.values[key]
	ok = ok && c.err == nil && time.Now().Before(c.expires[key])
	err := c.err
	c.mu.Unlock()
	if !ok {
		value = nil
		if c.onMiss != nil {
			c.onMiss()
		}
	}
	return value, ok, err
}

func (c *fakeCache) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.set(key, value, ttl)
}

func (c *fakeCache) set(key string, value []byte, ttl time.Duration) error {
	if c.err != nil {
		return c.err
	}
	c.values[key], c.expires[key] = value, time.Now().Add(ttl)
	c.changes[key]++
	c.ttls = append(c.ttls, ttl)
	return nil
}

func (c *fakeCache) mark(key string) cache.Mark { return cache.Mark(fmt.Sprint("m", c.changes[key])) }

func (c *fakeCache) Mark(_ context.Context, key string) (cache.Mark, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return "", c.err
	}
	return c.mark(key), nil
}

func (c *fakeCache) SetSince(_ context.Context, mark cache.Mark, key string, value []byte, ttl time.Duration) error {
	if c.onSet != nil {
		c.onSet()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if mark != c.mark(key) && !c.blind {
		return c.err
	}
	return c.set(key, value, ttl)
}

func (c *fakeCache) Delete(_ context.Context, keys ...string) error {
	c.mu.Lock()
	for _, key := range keys {
		delete(c.values, key)
		c.changes[key]++
	}
	err := c.err
	c.mu.Unlock()
	if c.onDelete != nil {
		c.onDelete()
	}
	return err
}

func (c *fakeCache) Close() error { return nil }

// subject is a loader of texts over a fake cache.
type subject struct {
	*testing.T
	*cache.Loader[string]
	cache *fakeCache

	mu     sync.Mutex // guards errors
	errors []error
}

func open(t *testing.T) *subject { return openOver(t, newFakeCache()) }

// openOver is one of several servers over one cache.
func openOver(t *testing.T, c *fakeCache) *subject {
	s := &subject{T: t, cache: c}
	s.Loader = cache.NewLoader(c, cache.LoaderConfig[string]{
		TTL: ttl, NegativeTTL: negativeTTL, Timeout: timeout,
		Encode: func(text string) ([]byte, error) { return []byte(text), nil },
		Decode: func(b []byte) (string, error) { return string(b), nil },
		OnCacheError: func(err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.errors = append(s.errors, err)
		},
	})
	t.Cleanup(s.Close)
	return s
}

func (s *subject) want(load source, value string, found bool) {
	s.Helper()
	got, ok, err := s.Get(context.Background(), "key", load)
	if err != nil || ok != found || got != value {
		s.Fatalf("get: got %q, %v, %v, want %q, %v", got, ok, err, value, found)
	}
}

type source = func(context.Context) (string, bool, error)

// gives is a source that has a value.
func gives(value string) source {
	return func(context.Context) (string, bool, error) { return value, true, nil }
}

func TestOneLoadForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers = 100
		s := open(t)
		var loads atomic.Int32
		gate := make(chan struct{})
		load := func(context.Context) (string, bool, error) {
			loads.Add(1)
			<-gate
			return "value", true, nil
		}
		var callersRun sync.WaitGroup
		for range callers {
			callersRun.Go(func() { s.want(load, "value", true) })
		}
		synctest.Wait()
		close(gate)
		callersRun.Wait()
		s.want(load, "value", true)
		if got := loads.Load(); got != 1 {
			t.Fatalf("loads for %d callers: got %d, want 1", callers, got)
		}
	})
}

// A caller misses; before it begins to load another one's load ends.
func TestNoLoadAfterAMissThatIsOutdated(t *testing.T) {
	s := open(t)
	s.cache.onMiss = func() {
		s.cache.onMiss = nil
		s.want(gives("first"), "first", true)
	}
	s.want(gives("second"), "first", true)
}

func TestWhoGivesUpDoesNotFailTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		gate := make(chan struct{})
		load := func(ctx context.Context) (string, bool, error) {
			select {
			case <-gate:
				return "value", true, nil
			case <-ctx.Done():
				return "", false, ctx.Err()
			}
		}
		impatient, giveUp := context.WithCancel(context.Background())
		gaveUp := make(chan error)
		go func() {
			_, _, err := s.Get(impatient, "key", load)
			gaveUp <- err
		}()
		synctest.Wait()
		var patient sync.WaitGroup
		patient.Go(func() { s.want(load, "value", true) })
		synctest.Wait()
		giveUp()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Fatalf("who gave up: got %v, want %v", err, context.Canceled)
		}
		close(gate)
		patient.Wait()
	})
}

func TestLoadHasItsOwnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		start := time.Now()
		_, _, err := s.Get(context.Background(), "key", func(ctx context.Context) (string, bool, error) {
			<-ctx.Done()
			return "", false, ctx.Err()
		})
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != timeout {
			t.Fatalf("stuck load: got %v after %v, want %v after %v", err, took, context.DeadlineExceeded, timeout)
		}
	})
}

func TestErrorsAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		_, _, err := s.Get(context.Background(), "key", func(context.Context) (string, bool, error) {
			return "", false, errSource
		})
		if !errors.Is(err, errSource) {
			t.Fatalf("failed load: got %v, want %v", err, errSource)
		}
		s.want(gives("value"), "value", true)
	})
}

func TestAbsenceIsKeptForItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		s.want(func(context.Context) (string, bool, error) { return "", false, nil }, "", false)
		s.want(gives("value"), "", false)
		<-time.After(negativeTTL)
		s.want(gives("value"), "value", true)
		// The empty value is a value.
		if err := s.Invalidate(context.Background(), "key"); err != nil {
			t.Fatalf("invalidate: %v", err)
		}
		s.want(gives(""), "", true)
		s.want(gives("other"), "", true)
	})
}

func TestJitterStaysInBounds(t *testing.T) {
	s := open(t)
	for i := range 1000 {
		if _, _, err := s.Get(context.Background(), fmt.Sprint(i), gives("value")); err != nil {
			t.Fatalf("get: %v", err)
		}
	}
	least, most := slices.Min(s.cache.ttls), slices.Max(s.cache.ttls)
	if least < ttl*8/10 || most > ttl {
		t.Fatalf("times to live: got %v to %v, want within %v to %v", least, most, ttl*8/10, ttl)
	}
	if most-least < ttl/10 {
		t.Fatalf("times to live: got %v to %v, want them spread", least, most)
	}
}

func TestCacheThatFailsCostsOnlyTime(t *testing.T) {
	s := open(t)
	s.cache.err = errSource
	s.want(gives("a"), "a", true)
	s.want(gives("b"), "b", true)
	if len(s.errors) == 0 || !errors.Is(s.errors[0], errSource) {
		t.Fatalf("errors told: got %v, want %v", s.errors, errSource)
	}
	if err := s.Invalidate(context.Background(), "key"); !errors.Is(err, errSource) {
		t.Fatalf("invalidate: got %v, want %v", err, errSource)
	}
	s.cache.err = nil
	s.cache.values["key"], s.cache.expires["key"] = []byte("?"), time.Now().Add(ttl)
	s.want(gives("c"), "c", true)
}

func TestCloseEndsLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		failed := make(chan error)
		go func() {
			_, _, err := s.Get(context.Background(), "key", func(ctx context.Context) (string, bool, error) {
				<-ctx.Done()
				return "", false, ctx.Err()
			})
			failed <- err
		}()
		synctest.Wait()
		s.Close()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Fatalf("load during close: got %v, want %v", err, context.Canceled)
		}
		if _, _, err := s.Get(context.Background(), "key", gives("value")); !errors.Is(err, cache.ErrLoaderClosed) {
			t.Fatalf("load after close: got %v, want %v", err, cache.ErrLoaderClosed)
		}
	})
}
