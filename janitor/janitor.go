// Package janitor removes from the store what servers left behind that have died, and
// tells the rooms who is gone.
//
// Every server runs one, and any number may work at the same time. What one of them
// leaves undone at its end, at whatever line, another one does:
//
//   - that a server is dead, and since when, stands in the store;
//   - a membership is removed, and the departure kept that ended by it, in one step;
//   - a departure is forgotten only when it is on its way to all servers. One that was
//     told and not forgotten is told again, by its name, and is heard once.
package janitor

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
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/internal/ablation"
	"github.com/breakwater-chat/breakwater/store"
)

const (
	every = time.Second // about; between two passes
	batch = 1000        // memberships, and departures, at once
	// hold is how long departures are one janitor's to tell, callLimit what each call
	// may take: they are told well before another one is given them.
	hold      = 10 * time.Second
	callLimit = 4 * time.Second
)

// Leases are what a Janitor needs of store.Leases.
type Leases interface {
	ExpireLeases(ctx context.Context) ([]store.Identity, error)
	DeleteOrphans(ctx context.Context, grace time.Duration, limit int) (store.Burial, error)
	ClaimDepartures(ctx context.Context, hold time.Duration, limit int) ([]store.Departure, error)
	ForgetDepartures(ctx context.Context, ids []int64) error
}

// Announcer tells rooms on all servers, as broker.Broker does.
type Announcer interface {
	Announce(ctx context.Context, notices []broker.Notice) error
}

// Config is what a Janitor works with; it owns none of it.
type Config struct {
	Leases Leases
	Broker Announcer
	// Steady tells whether this server has renewed its own lease for a whole lease's
	// time without a failure. Otherwise it declares nobody dead: those who could not
	// renew theirs may all be alive.
	Steady func() bool
	// Grace is how long the memberships of a dead server stay, for its users to come
	// back somewhere else.
	Grace      time.Duration
	Registerer prometheus.Registerer
	Log        *slog.Logger
}

// Janitor works until Close.
type Janitor struct {
	cfg     Config
	expired prometheus.Counter
	removed prometheus.Counter
	told    prometheus.Counter
	// done is when a pass last left nothing to do, as the time since began: the wall clock
	// may jump.
	began   time.Time
	done    atomic.Int64
	failing bool // the last pass failed; of whoever runs passes
	stop    context.CancelFunc
	working sync.WaitGroup
}

// New makes a janitor; Start lets it work.
func New(cfg Config) *Janitor {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "breakwater_janitor_" + name, Help: help})
		cfg.Registerer.MustRegister(c)
		return c
	}
	j := &Janitor{
		cfg:     cfg,
		expired: counter("leases_expired_total", "Servers that this one has declared dead."),
		removed: counter("orphans_removed_total", "Memberships of dead servers that this one has removed."),
		told:    counter("departures_told_total", "Users whose server had died, and of whom this one has told that they are gone."),
		began:   time.Now(),
		stop:    func() {},
	}
	cfg.Registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "breakwater_janitor_behind_seconds", Help: "How long ago this server's janitor last left nothing to remove and nobody to tell of.",
	}, func() float64 { return (time.Since(j.began) - time.Duration(j.done.Load())).Seconds() }))
	return j
}

// Start has a pass made about once a second until Close.
func (j *Janitor) Start() {
	ctx, stop := context.WithCancel(context.Background())
	j.stop = stop
	j.working.Go(func() { j.run(ctx) })
}

// Close ends the work; a call that is under way is broken off.
func (j *Janitor) Close() error {
	j.stop()
	j.working.Wait()
	return nil
}

func (j *Janitor) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := j.Pass(ctx)
		if err != nil && !j.failing && ctx.Err() == nil {
			j.cfg.Log.Warn("looking after dead servers", "error", err)
		}
		j.failing = err != nil
		timer := time.NewTimer(3*every/4 + rand.N(every/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// Pass declares dead whose lease is over, and removes and tells until nothing is left.
// What fails keeps nothing else from its turn.
func (j *Janitor) Pass(ctx context.Context) error {
	err := j.expire(ctx)
	for more := true; more && err == nil; {
		orphans, failed := j.bury(ctx)
		departures, silent := j.tell(ctx)
		more, err = orphans || departures, errors.Join(failed, silent)
	}
	if err == nil {
		j.done.Store(int64(time.Since(j.began)))
	}
	return err
}

// expire declares servers dead, if this one may judge.
func (j *Janitor) expire(ctx context.Context) error {
	if !j.cfg.Steady() || ablation.Off(ablation.Janitor) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	dead, err := j.cfg.Leases.ExpireLeases(ctx)
	if err != nil {
		return fmt.Errorf("declaring servers dead: %w", err)
	}
	j.expired.Add(float64(len(dead)))
	for _, id := range dead {
		j.cfg.Log.Warn("a server has died", "server", id.Server, "incarnation", id.Incarnation)
	}
	return nil
}

// bury removes some memberships of dead servers and says whether there are more.
func (j *Janitor) bury(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	burial, err := j.cfg.Leases.DeleteOrphans(ctx, j.cfg.Grace, batch)
	if err != nil {
		return false, fmt.Errorf("removing the memberships of dead servers: %w", err)
	}
	j.removed.Add(float64(burial.Removed))
	return burial.More, nil
}

// claimFor is how long what is claimed is left to this janitor.
func claimFor() time.Duration {
	if ablation.Off(ablation.Takeover) {
		return 24 * time.Hour
	}
	return hold
}

// tell tells of some departures and says whether there were any. What was not
// told is given out again.
func (j *Janitor) tell(ctx context.Context) (more bool, err error) {
	claiming, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	departures, err := j.cfg.Leases.ClaimDepartures(claiming, claimFor(), batch)
	if err != nil {
		return false, fmt.Errorf("looking for departures: %w", err)
	}
	if len(departures) == 0 {
		return false, nil
	}
	ids, notices := make([]int64, len(departures)), make([]broker.Notice, len(departures))
	for i, d := range departures {
		ids[i] = d.ID
		notices[i] = broker.Notice{ID: d.ID, Room: d.Room, Left: []bw.Name{d.User}, Users: d.Users, PresenceVersion: d.Version}
	}
	telling, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	if err := j.cfg.Broker.Announce(telling, notices); err != nil {
		return false, fmt.Errorf("telling of %d departures: %w", len(ids), err)
	}
	j.told.Add(float64(len(ids)))
	forgetting, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	if err := j.cfg.Leases.ForgetDepartures(forgetting, ids); err != nil {
		return false, fmt.Errorf("forgetting departures that were told: %w", err)
	}
	return true, nil
}
