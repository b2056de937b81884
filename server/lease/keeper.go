// Package lease keeps a server alive in the store, and knows until when it may act
// for its users.
//
// Invariants:
//
//   - A server stands no longer than a lease's time after an attempt to renew it
//     began. A process that was stopped for that long stands no more when it wakes,
//     whatever its goroutines do first.
//   - A store that does not answer takes nobody's standing away: only the store's
//     word that the incarnation is dead does.
//   - An incarnation that was called dead never stands again: another one takes its place,
//     unless a newer one is another process's, which bears the name from then on.
package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/ablation"
	"github.com/breakwater-chat/breakwater/store"
)

// Parts of a lease's time.
const (
	renewals = 3  // a lease is renewed when a third of it is over, and a try may take as long
	retries  = 15 // after a failure it is tried again that much sooner
)

// releaseLimit bounds how long the store may take to be told of the end.
const releaseLimit = 5 * time.Second

// Leases are what a Keeper needs of store.Leases.
type Leases interface {
	Register(ctx context.Context, server bw.ServerID, ttl time.Duration) (store.Identity, error)
	Succeed(ctx context.Context, former store.Identity, ttl time.Duration) (store.Identity, error)
	Renew(ctx context.Context, id store.Identity, ttl time.Duration) error
	Release(ctx context.Context, id store.Identity) error
}

// Config is whose lease is kept, and how.
type Config struct {
	Server bw.ServerID
	// TTL is how long the server may go without a renewal before others may declare it dead.
	TTL        time.Duration
	Registerer prometheus.Registerer
	Log        *slog.Logger
}

// Keeper is a server's lease. Its methods may be called by anybody at any time.
type Keeper struct {
	// Static after construction.
	cfg        Config
	leases     Leases
	fencings   prometheus.Counter
	began      time.Time // what standing counts from
	soon       chan struct{}
	stop       context.CancelFunc
	renewing   sync.WaitGroup
	superseded chan struct{} // closed when another process has taken the server's name
	standing   atomic.Int64  // until when the server may act, in nanoseconds; written under mu

	mu       sync.Mutex // guards the rest
	identity store.Identity
	over     chan struct{} // closed when another incarnation takes identity's place
	fenced   bool          // identity is dead, and has no successor yet
	held     time.Time     // until when the store has the lease, by its last answer
	steady   time.Time     // since when every attempt has succeeded; zero after a failure
}

// Take registers the server and renews its lease until Release.
func Take(ctx context.Context, cfg Config, leases Leases) (*Keeper, error) {
	k := &Keeper{
		cfg: cfg, leases: leases, began: time.Now(), soon: make(chan struct{}, 1), over: make(chan struct{}), superseded: make(chan struct{}),
		fencings: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "breakwater_lease_fencings_total", Help: "How often the store has called this server's incarnation dead while it lived.",
		}),
	}
	began := time.Now()
	identity, err := leases.Register(ctx, cfg.Server, cfg.TTL)
	if err != nil {
		return nil, fmt.Errorf("registering the server: %w", err)
	}
	k.succeed(identity, began)
	cfg.Registerer.MustRegister(k.fencings, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "breakwater_lease_remaining_seconds", Help: "How long the lease that the store has of this server lasts; below 0 it is over, and any other server may end it.",
	}, k.remaining))
	var renewing context.Context
	renewing, k.stop = context.WithCancel(context.Background())
	k.renewing.Go(func() { k.run(renewing) })
	return k, nil
}

// Current returns the incarnation that the server acts under. over is closed when
// another one has taken its place.
func (k *Keeper) Current() (id store.Identity, over <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.identity, k.over
}

// Standing tells whether the server may act for its users now. If it may not, its
// lease is looked after at once.
func (k *Keeper) Standing() bool {
	if ablation.Off(ablation.Standing) {
		return true
	}
	if int64(time.Since(k.began)) < k.standing.Load() {
		return true
	}
	k.hurry()
	return false
}

// Lost says that the store has called an incarnation of the server dead.
func (k *Keeper) Lost(id store.Identity) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fenced || id != k.identity {
		return
	}
	k.fenced, k.held, k.steady = true, time.Time{}, time.Time{}
	k.standing.Store(0)
	k.fencings.Inc()
	k.cfg.Log.Warn("this server was declared dead; it registers again and enters its connections anew", "incarnation", id.Incarnation)
	k.hurry()
}

// Superseded is closed when another process has registered as this server and lives:
// then this one never stands again, and has to end. Two that went on would declare each
// other dead for ever.
func (k *Keeper) Superseded() <-chan struct{} { return k.superseded }

// Steady tells whether every renewal has succeeded for a whole lease's time: the
// others, too, have then had the time to renew theirs.
func (k *Keeper) Steady() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	return !k.steady.IsZero() && now.Sub(k.steady) >= k.cfg.TTL && now.Before(k.held)
}

// Release ends the lease. If the store cannot be told, it ends by itself.
func (k *Keeper) Release() error {
	k.stop()
	k.renewing.Wait()
	k.standing.Store(0)
	ctx, cancel := context.WithTimeout(context.Background(), releaseLimit)
	defer cancel()
	id, _ := k.Current()
	if err := k.leases.Release(ctx, id); err != nil && !errors.Is(err, store.ErrFenced) {
		k.cfg.Log.Warn("releasing the lease", "error", err)
	}
	return nil
}

// hurry has the lease renewed at once.
func (k *Keeper) hurry() {
	select {
	case k.soon <- struct{}{}:
	default:
	}
}

// run renews the lease until ctx ends. After a failure nobody's hurry makes it go
// faster: whoever asks then would make it busy.
func (k *Keeper) run(ctx context.Context) {
	for ok := true; ; {
		pause, soon := k.cfg.TTL/renewals, k.soon
		if !ok {
			pause, soon = jittered(k.cfg.TTL/retries), nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-soon:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
		ok = k.attempt(ctx)
		select {
		case <-k.superseded:
			return
		default:
		}
	}
}

// jittered is from a half to one and a half of a time.
func jittered(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// attempt renews the lease, or takes a new one if the incarnation is dead.
func (k *Keeper) attempt(ctx context.Context) (ok bool) {
	k.mu.Lock()
	id, fenced := k.identity, k.fenced
	k.mu.Unlock()
	if !fenced {
		asking, cancel := context.WithTimeout(ctx, k.cfg.TTL/renewals)
		defer cancel()
		began := time.Now()
		err := k.leases.Renew(asking, id, k.cfg.TTL)
		if !errors.Is(err, store.ErrFenced) {
			return k.renewed(began, err)
		}
		k.Lost(id)
	}
	asking, cancel := context.WithTimeout(ctx, k.cfg.TTL/renewals)
	defer cancel()
	began := time.Now()
	next, err := k.leases.Succeed(asking, id, k.cfg.TTL)
	if errors.Is(err, store.ErrSuperseded) {
		close(k.superseded)
		return true
	}
	if err != nil {
		return k.renewed(began, err)
	}
	k.succeed(next, began)
	return true
}

// renewed takes the answer to an attempt in. The lease lasts from the attempt's
// beginning at least: later the process may have been stopped. A store that did not
// answer cannot have told others that this server is dead either.
func (k *Keeper) renewed(began time.Time, err error) (ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.fenced {
		k.standing.Store(int64(began.Add(k.cfg.TTL).Sub(k.began)))
	}
	if err != nil {
		if !k.steady.IsZero() || k.fenced {
			k.cfg.Log.Warn("renewing the lease", "error", err)
		}
		k.steady = time.Time{}
		return false
	}
	if !k.fenced {
		k.hold(began)
	}
	return true
}

// hold notes that the store has the lease. Called under mu.
func (k *Keeper) hold(began time.Time) {
	if k.steady.IsZero() || began.After(k.held) {
		k.steady = began
	}
	k.held = began.Add(k.cfg.TTL)
}

// succeed takes a new incarnation's lease, which was asked for at a time.
func (k *Keeper) succeed(id store.Identity, began time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.over)
	k.identity, k.over, k.fenced = id, make(chan struct{}), false
	k.hold(began)
	k.standing.Store(int64(began.Add(k.cfg.TTL).Sub(k.began)))
}

// remaining is in seconds.
func (k *Keeper) remaining() float64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held.IsZero() {
		return -1
	}
	return time.Until(k.held).Seconds()
}
