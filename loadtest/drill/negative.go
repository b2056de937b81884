package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/breakwater-chat/breakwater/internal/ablation"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// control is a mechanism of the server, and what must fail without it: else the drill
// proves nothing about it.
type control struct {
	mechanism ablation.Mechanism
	drill     string
	// broken are the oracle's rules and the drill's own expectations, one of which must
	// not hold.
	broken []string
}

// controls are all mechanisms but admission and takeover, of which docs/drills.md gives
// the reason.
func controls() []control {
	const (
		indexed = "everything is in Elasticsearch"
		members = "user lists and memberships are true"
	)
	return []control{
		{ablation.Dedupe, "redis-blackhole", []string{"two_positions"}},
		{ablation.Refill, "partition", []string{"hole", "lost"}},
		{ablation.Check, "partition", []string{"lost", "everybody has what was said"}},
		{ablation.SendTimeout, "redis-blackhole", []string{answeredSoon, "unanswered"}},
		{ablation.Gap, "slow-clients", []string{"hole"}},
		{ablation.BulkItems, "bulk-failures", []string{"document", indexed}},
		{ablation.Claim, "server-kill", []string{"document", indexed}},
		{ablation.PageLock, "storm-cold", []string{pagesOnce}},
		{ablation.SingleFlight, "storm-cold", []string{sharedOnce}},
		{ablation.Standing, "server-pause", []string{standsAgain}},
		{ablation.Reentry, "server-pause", []string{"list", "membership", members}},
		{ablation.Janitor, "server-kill", []string{leftBehind}},
		{ablation.Grace, "server-kill", []string{inTime}},
		{ablation.StoreClock, "clock-jump", []string{aliveToAll}},
		{ablation.LateJoins, "mysql-stall", []string{letIn}},
		{ablation.StoreBreaker, "mysql-stall", []string{turnedAway}},
		{ablation.DrainStays, "rolling-restart", []string{neverGone}},
	}
}

// PlayNegative runs, for each mechanism, its drill on servers without it, and wants it
// to fail. Only and Skip of the configuration choose mechanisms here. The error is
// ErrFailed if one was not missed.
func PlayNegative(ctx context.Context, c *Config) (err error) {
	binary := stand.Existing(c.Binary)
	if version, err := binary.Command("version").Output(); err != nil || !strings.Contains(string(version), ablation.Mark) {
		return refuse("%s cannot switch mechanisms off: build it with -tags ablation, or name one that was with --binary", c.Binary)
	}
	quiet := *c
	quiet.Out = filepath.Join(c.Out, "negative")
	if err := os.MkdirAll(quiet.Out, 0o755); err != nil {
		return fmt.Errorf("making the folder of reports: %w", err)
	}
	g, err := openGround(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	var failed error
	for _, n := range controls() {
		name := string(n.mechanism)
		if len(c.Only) > 0 && !slices.Contains(c.Only, name) || slices.Contains(c.Skip, name) {
			continue
		}
		line, noticed, err := g.without(ctx, &quiet, n)
		if err != nil {
			return err
		}
		if !noticed {
			failed = ErrFailed
		}
		fmt.Fprintf(c.Lines, "without %-14s %-16s %s\n", name, n.drill, line)
	}
	return failed
}

// without drills a cluster whose servers lack a mechanism.
func (g *ground) without(ctx context.Context, c *Config, n control) (line string, noticed bool, err error) {
	i := slices.IndexFunc(All(), func(d Drill) bool { return d.Name == n.drill })
	d := All()[i]
	g.binary = stand.Existing(c.Binary).With(ablation.Variable + "=" + string(n.mechanism))
	if err := g.start(g.binary); err != nil {
		return "", false, err
	}
	// Such servers need not end in order.
	defer func() { _ = g.stop() }()
	r := newRun(g, d, c.Seed, c.For)
	played := r.play(ctx)
	if ctx.Err() != nil {
		return "", false, ctx.Err()
	}
	o, history := r.judge(c, played)
	o.drill = string(n.mechanism)
	if err := o.write(c.Out, history); err != nil {
		return "", false, err
	}
	for _, rule := range n.broken {
		if o.broke(rule) {
			return "failed as it must: " + rule, true, nil
		}
	}
	if f := o.failure(); f != "" {
		return "NOT NOTICED as it should be, by one of " + strings.Join(n.broken, ", ") + "; instead " + f, false, nil
	}
	return "NOT NOTICED", false, nil
}
