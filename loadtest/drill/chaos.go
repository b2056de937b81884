package drill

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// Several faults at once, each for a while.
const (
	mostAtOnce    = 3
	shortestFault = time.Second
	longestFault  = 2 * lease
	// betweenFaults is the longest rest before the next one begins.
	betweenFaults = 4 * time.Second
)

// standing is a fault that has an end to come.
type standing struct {
	fault
	until time.Time
	end   func() error
}

// chaos draws faults from the seed: which, when, for how long. What they meet there the
// machine decides.
func chaos(ctx context.Context, r *run) (err error) {
	var now []standing
	defer func() { err = errors.Join(err, endAll(now)) }()
	over, next := time.Now().Add(r.long), time.Now()
	for time.Now().Before(over) {
		if now, err = expire(now); err != nil {
			return err
		}
		if time.Now().After(next) && len(now) < mostAtOnce {
			next = time.Now().Add(time.Duration(r.rng.Int64N(int64(betweenFaults))))
			f, possible := r.draw()
			long := shortestFault + time.Duration(r.rng.Int64N(int64(longestFault-shortestFault)))
			if possible && !clashes(f, now) {
				end, err := r.begin(ctx, f)
				if err != nil {
					return err
				}
				now = append(now, standing{f, time.Now().Add(long), end})
			}
		}
		if err := pause(ctx, between); err != nil {
			return err
		}
	}
	return nil
}

// endAll ends what is left, the services' faults first.
func endAll(now []standing) error {
	var errs []error
	for _, restarts := range []bool{false, true} {
		for _, s := range now {
			if s.restarts == restarts {
				errs = append(errs, s.end())
			}
		}
	}
	return errors.Join(errs...)
}

// draw is one fault of those that lose nothing for good, and whether it can be had here.
// What is drawn next does not depend on that.
func (r *run) draw() (f fault, possible bool) {
	server := r.rng.IntN(servers)
	service := stand.Dependencies()[r.rng.IntN(len(stand.Dependencies()))]
	ahead := []time.Duration{jump, -jump}[r.rng.IntN(2)]
	always := []fault{
		serverDies(server), serverStops(server), serverIsReplaced(server),
		silent(service), silent(service, server), slow(service, 200*time.Millisecond),
		itemsFail(10), nginxReloads(),
	}
	switch i := r.rng.IntN(len(always) + 2); i {
	case len(always):
		return serviceDies(service), r.base.Service(service).Ours()
	case len(always) + 1:
		return clockIsOff(0, ahead), r.drill.clocked
	default:
		return always[i], true
	}
}

// clashes tells whether a fault hurts what is hurt already.
func clashes(f fault, now []standing) bool {
	return slices.ContainsFunc(now, func(s standing) bool { return s.on == f.on })
}

// expire ends the faults whose time is over. A server starts only when its services are
// there: until then it stays away, as it would under a supervisor.
func expire(now []standing) (left []standing, err error) {
	away := slices.ContainsFunc(now, func(s standing) bool { return s.away })
	for _, s := range now {
		if time.Now().Before(s.until) || s.restarts && away {
			left = append(left, s)
			continue
		}
		err = errors.Join(err, s.end())
	}
	return left, err
}
