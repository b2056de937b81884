package report

import (
	_ "embed"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

// page is what the template writes.
type page struct {
	*Report
	Verdict Verdict
	Reason  string
	Facts   []string // of the run, in short
	Shell   string
	Tiles   []tile
	Checks  []checkView
	// Latencies and Errors are of the whole run.
	Latencies table
	Errors    table
	Marks     []markView
	Plots     []drawing
}

// tile is a figure of the summary.
type tile struct{ Name, Value, Help string }

// checkView is a check, its detail in one line or in several.
type checkView struct {
	Name    string
	OK      bool
	Line    string
	Details string
}

// WriteHTML writes the report to the file as one page that needs nothing else, whole or not at all.
func WriteHTML(file string, report *Report) error {
	return replace(file, func(w io.Writer) error { return writePage(w, report) })
}

func writePage(w io.Writer, report *Report) error {
	parsed, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	return parsed.Execute(w, pageOf(report))
}

func pageOf(report *Report) page {
	p := page{
		Report: report, Verdict: report.Verdict(), Reason: report.Reason(), Shell: report.shell(),
		Facts: facts(report),
		Plots: draw(report), Latencies: latencyTable(report.Totals), Errors: errorTable(report.Totals),
	}
	for i, m := range sorted(report.Marks) {
		p.Marks = append(p.Marks, viewOf(m, i+1, max(report.Elapsed, time.Second)))
	}
	for _, f := range report.Figures {
		if !strings.Contains(f.Name, ".") { // those of one kind of latency have a table
			p.Tiles = append(p.Tiles, tile{f.Name, FormatValue(f.Value, f.Unit), f.Help})
		}
	}
	for _, ok := range []bool{false, true} {
		for _, check := range report.Checks {
			if check.OK == ok {
				p.Checks = append(p.Checks, viewOfCheck(check))
			}
		}
	}
	return p
}

func facts(report *Report) []string {
	facts := []string{report.Started.UTC().Format("2006-01-02 15:04:05 UTC"), report.Elapsed.Round(100 * time.Millisecond).String()}
	for _, fact := range []string{report.Target, report.Version} {
		if fact != "" {
			facts = append(facts, fact)
		}
	}
	if report.Seed != 0 {
		facts = append(facts, "seed "+strconv.FormatUint(report.Seed, 10))
	}
	return facts
}

func viewOfCheck(check Check) checkView {
	first, rest, _ := strings.Cut(strings.TrimSpace(check.Detail), "\n")
	return checkView{Name: check.Name, OK: check.OK, Line: first, Details: rest}
}

func latencyTable(totals Totals) table {
	t := table{Head: []string{"latency", "samples"}}
	for _, q := range quantiles {
		t.Head = append(t.Head, q.name)
	}
	for _, kind := range ordered(totals.Latencies) {
		latency := totals.Latencies[kind]
		row := []string{kind, FormatValue(float64(latency.Count), UnitCount)}
		for _, q := range quantiles {
			row = append(row, FormatValue(q.of(latency), UnitSeconds))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func errorTable(totals Totals) table {
	t := table{Head: []string{"error", "how often"}}
	counts, _ := codes(totals.Counts)
	for _, code := range ordered(counts) {
		t.Rows = append(t.Rows, []string{code, FormatValue(float64(counts[code]), UnitCount)})
	}
	return t
}
