package drill

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/oracle"
	"github.com/breakwater-chat/breakwater/loadtest/report"
)

// outcome is what became of a drill.
type outcome struct {
	drill   string
	took    time.Duration
	report  *report.Report
	verdict oracle.Verdict
	// broken is why the drill could not be judged, nil if it was.
	broken error
}

// failure is the first thing that was not as it should be, "" if there is none.
func (o *outcome) failure() string {
	if len(o.verdict.Violations) > 0 {
		v := o.verdict.Violations[0]
		return fmt.Sprintf("%s: %s", v.Rule, v.Message)
	}
	for _, c := range o.report.Checks {
		if !c.OK {
			return fmt.Sprintf("%s: %s", c.Name, c.Detail)
		}
	}
	if o.broken != nil {
		return o.broken.Error()
	}
	return ""
}

// broke tells whether a drill broke a rule of the oracle, or an expectation of its own
// of that name.
func (o *outcome) broke(rule string) bool {
	for _, v := range o.verdict.Violations {
		if string(v.Rule) == rule {
			return true
		}
	}
	for _, c := range o.report.Checks {
		if c.Name == rule && !c.OK {
			return true
		}
	}
	return false
}

// judge holds what was seen against the promises, and sums it up.
func (r *run) judge(c *Config, broken error) (*outcome, oracle.History) {
	history, wrong := r.record.all()
	o := &outcome{drill: r.drill.Name, took: r.record.now(), broken: broken, report: &report.Report{
		Title: "drill " + r.drill.Name, Version: c.Version, Target: r.crowd.url, Seed: c.Seed,
		Command: c.command(r.drill.Name),
		Parameters: []report.Parameter{
			{Name: "what happens", Value: r.drill.About},
			{Name: "people", Value: strconv.Itoa(r.crowd.size.people)},
			{Name: "rooms", Value: strconv.Itoa(r.crowd.size.rooms)},
			{Name: "talkers", Value: strconv.Itoa(r.crowd.size.talkers)},
			{Name: "servers", Value: strconv.Itoa(servers)},
			{Name: "lease", Value: lease.String()},
		},
	}}
	if broken != nil {
		o.report.Broken = broken.Error()
	} else {
		o.verdict = oracle.Judge(history, oracle.Options{})
	}
	r.record.flush()
	r.record.line.Report(o.report)
	o.report.Checks = append(append([]report.Check{}, r.checks...), promises(o.verdict)...)
	for _, w := range wrong {
		o.report.Checks = append(o.report.Checks, report.Check{Name: "frames are understood", Detail: w})
	}
	o.report.Figures = figures(o)
	return o, history
}

// command runs a drill again.
func (c *Config) command(name string) []string {
	again := []string{"breakwater", "drill", name, "--seed", strconv.FormatUint(c.Seed, 10)}
	if name == "chaos" {
		again = append(again, "--for", c.For.String())
	}
	return again
}

// promises are the rules of the oracle as checks of the report.
func promises(v oracle.Verdict) (checks []report.Check) {
	broken := map[oracle.Rule][]string{}
	for _, x := range v.Violations {
		broken[x.Rule] = append(broken[x.Rule], x.String())
	}
	for _, rule := range v.Judged {
		c := report.Check{Name: string(rule), OK: true, Detail: "kept"}
		if texts := broken[rule]; len(texts) > 0 {
			c.OK, c.Detail = false, strings.Join(texts, "\n")
			if more := v.More[rule]; more > 0 {
				c.Detail += fmt.Sprintf("\nand %d more", more)
			}
		}
		checks = append(checks, c)
	}
	return checks
}

// figures are what a reader wants to know first.
func figures(o *outcome) []report.Figure {
	t := o.report.Totals
	count := func(name, help string) report.Figure {
		return report.Figure{Name: name, Value: float64(t.Counts[name]), Help: help}
	}
	violations := len(o.verdict.Violations)
	for _, n := range o.verdict.More {
		violations += n
	}
	all := []report.Figure{
		{Name: "violations", Value: float64(violations), Better: report.Less, Help: "promises that were broken, by the oracle"},
		count("sent", "tries to send"), count("acked", "sends that were acknowledged"),
		count("received", "live deliveries"), count("closed", "connections that ended"),
	}
	return append(all, report.LatencyFigures(t, "deliver", "ack", "join", "back")...)
}

// write leaves the report and the history behind.
func (o *outcome) write(folder string, history oracle.History) error {
	base := filepath.Join(folder, o.drill)
	if err := report.WriteJSON(base+".json", o.report); err != nil {
		return err
	}
	if err := report.WriteHTML(base+".html", o.report); err != nil {
		return err
	}
	file, err := os.Create(base + ".history.jsonl")
	if err != nil {
		return fmt.Errorf("writing the history: %w", err)
	}
	if err := oracle.Write(file, history); err != nil {
		_ = file.Close() // the reason is told already
		return err
	}
	return file.Close()
}
