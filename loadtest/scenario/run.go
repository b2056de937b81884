package scenario

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/report"
)

// Env is what a run takes from its surroundings.
type Env struct {
	// Known are users with tokens. Without any, Sign makes tokens for names; without
	// that users are signed up.
	Known []Credential
	Sign  func(bw.Name) (string, error)
	// Descriptors is how many files this process may have open.
	Descriptors int
	// ServerPIDs and Metrics are processes of this host and URLs of /metrics, whose use of
	// CPU and memory is looked at.
	ServerPIDs []int
	Metrics    []string
	// Workers are addresses of workers that do the parts in place of this process; Secret
	// is what they know this run by.
	Workers []string
	Secret  []byte
	// Tell tells what goes on before the run begins, in a few words.
	Tell func(string)
	// Watch is called with the recorder when the run begins, and the function that it
	// returns when the run has ended.
	Watch func(*report.Recorder) (stop func())
}

// Run does the whole run and reports what there is of it, however it ended: the report
// is never nil. The error, which is in it, too, says why the run ended before its time.
func Run(ctx context.Context, p Plan, env Env) (*report.Report, error) {
	r := &run{plan: p, env: env}
	r.begin()
	parts, err := r.prepare(ctx)
	if err == nil {
		r.begin()
		stop := env.Watch(r.record)
		err = r.perform(ctx, parts)
		stop()
	}
	if ctx.Err() != nil {
		err = ErrInterrupted
	}
	result := &report.Report{Title: "loadtest " + string(p.Kind), Target: p.Targets[0], Seed: p.Seed, Parameters: p.parameters(), Checks: []report.Check{}}
	r.record.Report(result)
	result.Figures = r.figures(result)
	if err != nil {
		result.Broken = err.Error()
	}
	return result, err
}

// run is a run under way.
type run struct {
	plan   Plan
	env    Env
	began  time.Time
	record *report.Recorder
	// Of the end: what all parts say together, and what the servers used.
	outcome Outcome
	parts   int
	servers used
}

// perform lets all parts act, here or on workers, and waits for them. If one fails the
// others end, too.
func (r *run) perform(ctx context.Context, parts []Part) error {
	watched := newServers(&r.env, r.plan.Trust, r.record)
	watching, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { watched.watch(watching) })
	defer func() {
		stop()
		running.Wait()
		r.servers = watched.used()
	}()

	acting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	meeting := newRendezvous(len(parts), func(point string) { r.met(ctx, watched, point) })
	errs, outcomes := make([]error, len(parts)), make([]Outcome, len(parts))
	var acts sync.WaitGroup
	for i, part := range parts {
		acts.Go(func() {
			defer meeting.leave()
			if len(r.env.Workers) > 0 {
				outcomes[i], errs[i] = r.employ(acting, r.env.Workers[i], part, meeting)
			} else {
				outcomes[i], errs[i] = act(acting, part, r.env.Descriptors, meeting, r.merge)
			}
			if errs[i] != nil {
				cancel(errs[i])
			}
		})
	}
	acts.Wait()
	r.parts = len(parts)
	for _, o := range outcomes {
		r.outcome.add(o)
	}
	return firstCause(acting, errs)
}

// firstCause is the error that ended the others, if one did.
func firstCause(ctx context.Context, errs []error) error {
	err := errors.Join(errs...)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// begin begins the time line.
func (r *run) begin() {
	r.began = time.Now()
	r.record = report.NewRecorder(r.began)
}

// merge enters what happened in the last second.
func (r *run) merge(t *report.Tally) error {
	r.record.Merge(time.Since(r.began)-flushEvery/2, t)
	return nil
}

// met notes that all parts have come to a point.
func (r *run) met(ctx context.Context, watched *servers, point string) {
	switch point {
	case pointGathered:
		watched.under(ctx, true)
	case pointSaid:
		watched.under(ctx, false)
	}
	r.record.Mark(point)
}

// parameters are the settings of the run, for its report.
func (p *Plan) parameters() []report.Parameter {
	list := []report.Parameter{
		{Name: "members", Value: fmt.Sprint(p.Members)},
		{Name: "rooms", Value: fmt.Sprint(p.Rooms)},
		{Name: "users", Value: fmt.Sprint(p.Users)},
		{Name: "text", Value: fmt.Sprintf("%d bytes", p.Size)},
		{Name: "duration", Value: p.Duration.String()},
	}
	add := func(name, value string) { list = append(list, report.Parameter{Name: name, Value: value}) }
	if p.Rate == 0 {
		add("sends", fmt.Sprintf("closed loop, %d on their way", p.Window))
	} else {
		arrivals := "constant"
		if p.Poisson {
			arrivals = "Poisson"
		}
		add("sends", fmt.Sprintf("open loop, %g a second, %s arrivals", p.Rate, arrivals))
	}
	if p.Zipf > 0 {
		add("zipf", fmt.Sprint(p.Zipf))
	}
	if p.Kind == Mixed {
		add("moves, searches, pages a second", fmt.Sprintf("%g, %g, %g", p.Moves, p.Searches, p.Pages))
	}
	return list
}
