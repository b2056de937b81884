package drill

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/oracle"
	"github.com/breakwater-chat/breakwater/loadtest/report"
)

// warmUp is how long people talk before anything happens.
const warmUp = 3 * time.Second

// run is one drill under way.
type run struct {
	*ground
	drill  Drill
	crowd  *crowd
	record *record
	rng    *rand.Rand
	long   time.Duration // how long chaos goes on
	checks []report.Check
	// restless tells that the run has failed to come to rest.
	restless bool

	laziness laziness // of slow clients
}

// bounds are those of the contract, for the lease of a drill.
func bounds() oracle.Bounds {
	b := oracle.DefaultBounds()
	b.LossGrace, b.ReturnGrace = 2*lease+b.Grace, lease
	return b
}

// newRun prepares a drill. All that it draws depends on the seed and its name only.
func newRun(g *ground, d Drill, seed uint64, long time.Duration) *run {
	name := fnv.New64a()
	_, _ = name.Write([]byte(d.Name)) // a hash takes everything
	rng := rand.New(rand.NewPCG(seed, name.Sum64()))
	r := &run{ground: g, drill: d, record: newRecord(bounds()), rng: rng, long: long}
	r.crowd = &crowd{
		size: d.size, rng: rng, url: g.cluster.Nginx.URL, record: r.record,
		// Another run on the same services has other people.
		word: fmt.Sprintf("%s %x", d.Name, time.Now().UnixNano()),
		sign: func(names []string) ([]string, error) { return g.binary.Tokens(g.cluster.Key, names) },
	}
	if d.slow {
		r.crowd.dial = r.slowDialers()
	}
	return r
}

// play is the drill from the first to the last. The error is why there is nothing to judge.
func (r *run) play(ctx context.Context) error {
	counting, stop := context.WithCancel(ctx)
	var counter sync.WaitGroup
	defer func() { stop(); counter.Wait() }()
	defer r.crowd.disperse()
	if r.drill.clocked {
		if err := r.giveClock(0); err != nil {
			return err
		}
	}
	if err := r.crowd.gather(ctx); err != nil {
		return err
	}
	counter.Go(func() { r.count(counting) })
	r.crowd.talk()
	if err := pause(ctx, warmUp); err != nil {
		return err
	}
	if err := r.drill.run(ctx, r); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	stop()
	counter.Wait()
	return r.collect(ctx)
}

// count flushes the numbers once a second.
func (r *run) count(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		r.record.flush()
	}
}

// check notes an expectation of the drill's own.
func (r *run) check(ok bool, name, detail string, args ...any) {
	r.checks = append(r.checks, report.Check{Name: name, OK: ok, Detail: fmt.Sprintf(detail, args...)})
}

// hold has a fault for a time.
func (r *run) hold(ctx context.Context, d time.Duration, f fault) error {
	end, err := r.begin(ctx, f)
	if err != nil {
		return err
	}
	return errors.Join(pause(ctx, d), end())
}

// begin injects a fault. Its end is undone even when the drill is broken off.
func (r *run) begin(ctx context.Context, f fault) (end func() error, err error) {
	unmark := r.record.line.Mark(f.name)
	id := fmt.Sprintf("%s %d", f.name, r.rng.Uint32())
	e := oracle.Event{Kind: oracle.Fault, ID: id, Server: f.server, Names: f.excuses}
	if f.dies {
		r.record.add(oracle.Event{Kind: oracle.Died, Server: f.server})
	}
	r.record.add(e)
	if err := f.begin(ctx, r.ground); err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return func() error {
		err := f.end(context.WithoutCancel(ctx), r.ground)
		unmark()
		e.Kind, e.Names = oracle.Healed, nil
		r.record.add(e)
		if err != nil {
			return fmt.Errorf("the end of %s: %w", f.name, err)
		}
		return nil
	}, nil
}

// back waits until everybody is in his rooms, and expects that within a time.
func (r *run) back(ctx context.Context, within time.Duration) error {
	began := time.Now()
	err := await(ctx, 2*time.Minute, "everybody to be back", r.crowd.present)
	if took := time.Since(began); err == nil {
		r.check(took <= within, "everybody is back", "after %v, want %v at most", took.Round(time.Second/100), within)
	}
	return err
}
