package drill

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/oracle"
)

// scale grows the crowd until more servers are wanted, and shrinks it again. What is
// wanted the formula of Kubernetes' HPA says, of the metric that the deployed one uses;
// its patience, which only delays, is left out.
func scale(ctx context.Context, r *run) error {
	target := float64(len(r.crowd.seats)) / servers // so that all is well at first
	from := r.record.now()
	if err := r.crowd.come(ctx, r.crowd.size.people/2); err != nil {
		return err
	}
	out, err := r.wanted(ctx, target)
	if err != nil {
		return err
	}
	r.check(out > servers, "more people want more servers", "%d are wanted for %d connections", out, len(r.crowd.seats))
	if err := r.resize(ctx, out); err != nil {
		return err
	}
	if err := r.crowd.come(ctx, r.crowd.size.people/2); err != nil {
		return err
	}
	added, err := r.metric(ctx, len(r.cluster.Servers)-1, "breakwater_connections", "")
	if err != nil {
		return err
	}
	r.check(added > 0, "a new server gets people", "it has %v connections", added)
	r.crowd.leave(len(r.crowd.seats) - int(target*servers))
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	in, err := r.wanted(ctx, target)
	if err != nil {
		return err
	}
	r.check(in < out, "fewer people want fewer servers", "%d are wanted for %d connections", in, len(r.crowd.seats))
	err = errors.Join(r.resize(ctx, servers), r.back(ctx, 10*time.Second))
	r.noneRefused(from, r.record.now(), "while servers come and go")
	return err
}

// wanted is the HPA's desired = ceil(current × metric / target) for connections.
func (r *run) wanted(ctx context.Context, target float64) (int, error) {
	var sum float64
	current := len(r.cluster.Servers)
	for i := range current {
		n, err := r.metric(ctx, i, "breakwater_connections", "")
		if err != nil {
			return 0, err
		}
		sum += n
	}
	average := sum / float64(current)
	const tolerance = 0.1 // the HPA's own
	if math.Abs(average/target-1) <= tolerance {
		return current, nil
	}
	return int(math.Ceil(float64(current) * average / target)), nil
}

// resize adds or removes servers, one after the other.
func (r *run) resize(ctx context.Context, to int) error {
	for len(r.cluster.Servers) != to {
		more := len(r.cluster.Servers) < to
		what := "a server leaves"
		if more {
			what = "a server comes"
		}
		unmark := r.record.line.Mark(what)
		e := oracle.Event{Kind: oracle.Fault, ID: fmt.Sprintf("%s %d", what, r.rng.Uint32())}
		r.record.add(e)
		err := r.cluster.Add
		if !more {
			err = r.cluster.Remove
		}
		failed := err()
		e.Kind = oracle.Healed
		r.record.add(e)
		unmark()
		if err := errors.Join(failed, pause(ctx, time.Second)); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}
