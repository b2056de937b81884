package cache

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Pauses of who waits for another server's load: the first is about as long as a
// quick load, later ones are longer, as is what is waited for.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = 50 * time.Millisecond
)

// renewals is how often in its life a lock is renewed.
const renewals = 3

// turn waits until it is this server's turn to load a key, or there is a good value:
// then ok is true. end ends the turn; it is never nil. While the cache is away
// everybody has it. The error is the context's.
func (l *Loader[T]) turn(ctx context.Context, key string, good func(T) bool) (r result[T], ok bool, end func(), err error) {
	end = func() {}
	if l.locker == nil {
		r, ok = l.cached(ctx, key, good)
		return r, ok, end, nil
	}
	token := crand.Text()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		mine, err := l.locker.TryLock(ctx, key, token, l.cfg.LockLife)
		if err != nil {
			l.cacheFailed(fmt.Errorf("lock %q: %w", key, err))
			return r, false, end, nil
		}
		if mine {
			end = l.hold(ctx, key, token)
		}
		// Who had the lock may have brought the value.
		if r, ok = l.cached(ctx, key, good); ok || mine {
			return r, ok, end, nil
		}
		if l.cfg.OnWait != nil && pause == firstPause {
			l.cfg.OnWait()
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return r, false, end, fmt.Errorf("wait for another server to load %q: %w", key, context.Cause(ctx))
		}
	}
}

// hold keeps the lock for as long as the load takes, however slow its source is: it
// ends by itself only with its holder. The function that it returns gives it back.
func (l *Loader[T]) hold(ctx context.Context, key, token string) (end func()) {
	done := make(chan struct{})
	var renewing sync.WaitGroup
	renewing.Go(func() {
		renewal := time.NewTicker(l.cfg.LockLife / renewals)
		defer renewal.Stop()
		for {
			select {
			case <-renewal.C:
				_, _ = l.locker.TryLock(ctx, key, token, l.cfg.LockLife) // one that is lost costs a second load
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		renewing.Wait()
		l.unlock(ctx, key, token)
	}
}

// unlock gives the lock back, also when the load's time is over.
func (l *Loader[T]) unlock(ctx context.Context, key, token string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outage)
	defer cancel()
	if err := l.locker.Unlock(ctx, key, token); err != nil {
		l.cacheFailed(fmt.Errorf("unlock %q: %w", key, err))
	}
}
