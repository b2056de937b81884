package cache

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/breakwater-chat/breakwater/internal/ablation"
)

// ErrLoaderClosed is the answer to a Get that would have to load after Close.
var ErrLoaderClosed = errors.New("the loader is closed")

// jitterShare is the part of a time to live that is left to chance, so that
// what was loaded at once does not expire at once.
const jitterShare = 0.2

// LoaderConfig tells how values of a type are kept.
type LoaderConfig[T any] struct {
	// TTL is how long a value is kept at most; up to a fifth is taken off at
	// random.
	TTL time.Duration
	// TTLOf, if not nil, says so of each value instead; 0 does not keep it.
	TTLOf func(T) time.Duration
	// NegativeTTL is the same for the knowledge that there is no value; 0 does
	// not keep it.
	NegativeTTL time.Duration
	// Timeout bounds one load, including what the cache and others' loads take.
	Timeout time.Duration
	// LockLife, if not 0 and the cache is a Locker, lets one server load a key while
	// the others wait for what it brings, however long that takes. If that one dies they
	// wait this long: well below Timeout. A cache that fails is tried
	// for three seconds, then, until it is back, each server loads for itself.
	LockLife time.Duration
	Encode   func(T) ([]byte, error)
	Decode   func([]byte) (T, error)
	// OnCacheError is told the errors of the cache, which no caller sees: the
	// value is loaded instead. It may be nil.
	OnCacheError func(error)
	// OnLoad and OnWait are told of each load, and of each that waits for the one
	// of another server. They may be nil.
	OnLoad, OnWait func()
}

// Loader reads values through a cache. However many callers of a process miss the
// same key at once, one load runs for them all. It belongs to no caller: who gives
// up leaves it to the others. Errors are given to those who wait and never kept.
type Loader[T any] struct {
	cfg    LoaderConfig[T]
	cache  Cache
	locker Locker // nil: nobody waits for other servers
	group  singleflight.Group
	// stopped ends all loads.
	stopped context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex // guards closed: no load begins after it is set
	closed bool
}

// result is what a load brings: a value, or the knowledge that there is none.
type result[T any] struct {
	value T
	found bool
}

// NewLoader makes a loader in front of a cache, which stays the caller's.
func NewLoader[T any](cache Cache, cfg LoaderConfig[T]) *Loader[T] {
	stopped, stop := context.WithCancel(context.Background())
	l := &Loader[T]{cfg: cfg, cache: cache, stopped: stopped, stop: stop}
	if c, is := cache.(locking); is && cfg.LockLife > 0 && !ablation.Off(ablation.PageLock) {
		patient := &insistent{cache: c}
		l.cache, l.locker = patient, patient
	}
	return l
}

// Get gives the value of a key, and false if there is none. On a miss load is
// called, unless one for the same key is running; its context outlives the
// caller's and ends with the configured timeout. The value is shared with other
// callers: it must not be changed.
func (l *Loader[T]) Get(
	ctx context.Context, key string, load func(context.Context) (value T, found bool, err error),
) (value T, found bool, err error) {
	return l.GetIf(ctx, key, nil, load)
}

// GetIf is Get for who cannot do with every value: one that is not good is loaded
// again. What was just loaded has to do: the source has no better one.
func (l *Loader[T]) GetIf(
	ctx context.Context, key string, good func(T) bool, load func(context.Context) (value T, found bool, err error),
) (value T, found bool, err error) {
	for {
		r, own, err := l.get(ctx, key, good, load)
		if err != nil || own || fits(r, good) {
			return r.value, r.found, err
		}
	}
}

// fits tells whether who needs a good value can do with a result.
func fits[T any](r result[T], good func(T) bool) bool {
	return good == nil || !r.found || good(r.value)
}

// get is one try. own says that the load was the caller's: another's may have found
// in the cache what is good for that one.
func (l *Loader[T]) get(
	ctx context.Context, key string, good func(T) bool, load func(context.Context) (T, bool, error),
) (r result[T], own bool, err error) {
	if r, ok := l.cached(ctx, key, good); ok {
		return r, false, nil
	}
	mark, err := l.cache.Mark(ctx, key)
	if err != nil {
		l.cacheFailed(fmt.Errorf("mark %q: %w", key, err))
	}
	// A load serves those who came with its mark: who comes after the value was
	// invalidated, on whatever server, has another one.
	began := false
	done := l.group.DoChan(flight(key, mark), func() (any, error) {
		began = true
		return l.fly(context.WithoutCancel(ctx), key, mark, good, load)
	})
	select {
	case shared := <-done:
		if shared.Err != nil {
			return r, began, shared.Err
		}
		return shared.Val.(result[T]), began, nil
	case <-ctx.Done():
		return r, false, fmt.Errorf("wait for %q to be loaded: %w", key, context.Cause(ctx))
	}
}

// flight names a load.
func flight(key string, mark Mark) string {
	if ablation.Off(ablation.SingleFlight) {
		return crand.Text()
	}
	return string(mark) + " " + key
}

// Invalidate forgets keys whose truth has changed. When it returns without an
// error, no Get that begins then, on any server that reaches the cache, gives the
// old value, not even if a load was running meanwhile. After an error other
// servers may give it until its TTL is over.
func (l *Loader[T]) Invalidate(ctx context.Context, keys ...string) error {
	err := l.cache.Delete(ctx, keys...)
	for _, key := range keys {
		l.group.Forget(flight(key, "")) // a load that began while the cache was away
	}
	if err != nil {
		return fmt.Errorf("invalidate %q: %w", keys, err)
	}
	return nil
}

// Close ends running loads and waits for them.
func (l *Loader[T]) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.stop()
	l.running.Wait()
}

// fly is one load: the cache once more, for another one may just have ended,
// then the source, then into the cache.
func (l *Loader[T]) fly(
	ctx context.Context, key string, mark Mark, good func(T) bool, load func(context.Context) (T, bool, error),
) (result[T], error) {
	if err := l.begin(); err != nil {
		return result[T]{}, err
	}
	defer l.running.Done()
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	defer context.AfterFunc(l.stopped, cancel)()

	r, ok, end, err := l.turn(ctx, key, good)
	defer end()
	if ok || err != nil {
		return r, err
	}
	if l.cfg.OnLoad != nil {
		l.cfg.OnLoad()
	}
	value, found, err := load(ctx)
	if err != nil {
		return result[T]{}, err
	}
	r = result[T]{value, found}
	return r, l.keep(ctx, key, mark, r)
}

func (l *Loader[T]) begin() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrLoaderClosed
	}
	l.running.Add(1)
	return nil
}

// keep stores what a load brought, if it is worth keeping and there is a mark.
func (l *Loader[T]) keep(ctx context.Context, key string, mark Mark, r result[T]) error {
	ttl := l.cfg.TTL
	switch {
	case !r.found:
		ttl = l.cfg.NegativeTTL
	case l.cfg.TTLOf != nil:
		ttl = l.cfg.TTLOf(r.value)
	}
	if ttl <= 0 || mark == "" {
		return nil
	}
	entry, err := l.encode(r)
	if err != nil {
		return fmt.Errorf("encode the value of %q: %w", key, err)
	}
	if err := l.cache.SetSince(ctx, mark, key, entry, jittered(ttl)); err != nil {
		l.cacheFailed(fmt.Errorf("keep %q: %w", key, err))
	}
	return nil
}

// cached asks the cache; ok is false when the value has to be loaded.
func (l *Loader[T]) cached(ctx context.Context, key string, good func(T) bool) (r result[T], ok bool) {
	entry, ok, err := l.cache.Get(ctx, key)
	if err != nil {
		l.cacheFailed(fmt.Errorf("look up %q: %w", key, err))
		return r, false
	}
	if !ok {
		return r, false
	}
	r, err = l.decode(entry)
	if err != nil {
		l.cacheFailed(fmt.Errorf("decode the cached value of %q: %w", key, err))
		return r, false
	}
	return r, fits(r, good)
}

func (l *Loader[T]) cacheFailed(err error) {
	if l.cfg.OnCacheError != nil {
		l.cfg.OnCacheError(err)
	}
}

// An entry is one byte that tells whether there is a value, and the value.
const (
	entryAbsent byte = 0
	entryValue  byte = 1
)

func (l *Loader[T]) encode(r result[T]) ([]byte, error) {
	if !r.found {
		return []byte{entryAbsent}, nil
	}
	value, err := l.cfg.Encode(r.value)
	if err != nil {
		return nil, err
	}
	return append([]byte{entryValue}, value...), nil
}

func (l *Loader[T]) decode(entry []byte) (r result[T], err error) {
	switch {
	case len(entry) == 1 && entry[0] == entryAbsent:
		return r, nil
	case len(entry) == 0 || entry[0] != entryValue:
		return r, errors.New("not an entry of a loader")
	}
	r.value, err = l.cfg.Decode(entry[1:])
	r.found = err == nil
	return r, err
}

// jittered takes a random part off a time to live.
func jittered(ttl time.Duration) time.Duration {
	return ttl - time.Duration(rand.Float64()*jitterShare*float64(ttl))
}
