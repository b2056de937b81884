package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"
)

// ErrFailed says that a drill found something wrong; what, the lines have told.
var ErrFailed = errors.New("a drill failed")

// List writes a line a drill.
func List(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range All() {
		fmt.Fprintf(table, "%s\t%s\n", d.Name, d.About)
	}
	return table.Flush()
}

// Play runs the drills one after the other, and leaves nothing running behind, whatever
// ends it. The error is ErrFailed if a drill failed, or why they could not be run.
func Play(ctx context.Context, c *Config) (err error) {
	drills, err := c.choose()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return fmt.Errorf("making the folder of reports: %w", err)
	}
	fmt.Fprintf(c.Lines, "seed %d; reports in %s\n", c.Seed, c.Out)
	g, err := openGround(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	var all []*outcome
	for _, d := range drills {
		o, err := g.drill(ctx, c, d)
		if err != nil {
			return err
		}
		all = append(all, o)
	}
	// What servers and nginx logged is judged when they end.
	stopped := g.stop()
	return errors.Join(tabulate(c.Lines, all), stopped)
}

// drill runs one drill on a cluster that is whole, and tells how it went. The error is
// what ends all drills.
func (g *ground) drill(ctx context.Context, c *Config, d Drill) (*outcome, error) {
	if g.cluster != nil && g.whole(ctx) != nil {
		fmt.Fprintf(c.Lines, "the cluster is not whole any more, the next one begins: %v\n", g.stop())
	}
	if g.cluster == nil {
		if err := g.start(g.binary); err != nil {
			return nil, err
		}
	}
	r := newRun(g, d, c.Seed, c.For)
	played := r.play(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	o, history := r.judge(c, played)
	fmt.Fprintf(c.Lines, "%-22s %s\n", d.Name, o.line())
	return o, o.write(c.Out, history)
}

// line is the outcome in a few words.
func (o *outcome) line() string {
	if f := o.failure(); f != "" {
		return "FAILED " + f
	}
	return "ok in " + o.took.Round(time.Second).String()
}

// tabulate sums all drills up.
func tabulate(w io.Writer, all []*outcome) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\ndrill\tresult\ttook\tsent\tacked\treceived\tcut\tback, longest\t")
	var failed error
	for _, o := range all {
		result := "ok"
		if o.failure() != "" {
			result, failed = "FAILED", ErrFailed
		}
		t := o.report.Totals
		fmt.Fprintf(table, "%s\t%s\t%v\t%d\t%d\t%d\t%d\t%.1fs\t\n", o.drill, result, o.took.Round(time.Second),
			t.Counts["sent"], t.Counts["acked"], t.Counts["received"], t.Counts["closed"], t.Latencies["back"].Max)
	}
	return errors.Join(table.Flush(), failed)
}
