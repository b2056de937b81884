package report

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// Progress shows a run while it goes on: on a terminal as a block of lines that is
// rewritten, elsewhere as a line each time. It belongs to one goroutine.
type Progress struct {
	out     io.Writer
	style   style
	width   func() int // of the terminal; nil if it is none
	title   string
	planned time.Duration
	shown   int // lines of the block that is on the terminal
}

// NewProgress shows a run of the title that is to take the planned time, 0 for as long as it
// likes. There is colour on a terminal only, and not with noColor (the NO_COLOR convention).
func NewProgress(out *os.File, title string, planned time.Duration, noColor bool) *Progress {
	p := &Progress{out: out, title: title, planned: planned}
	if term.IsTerminal(int(out.Fd())) {
		p.style = style{colour: !noColor}
		p.width = func() int {
			width, _, err := term.GetSize(int(out.Fd()))
			if err != nil || width <= 0 {
				return 80
			}
			return width
		}
	}
	return p
}

// Show shows how far the run is; call it once a second.
func (p *Progress) Show(s Snapshot) {
	if p.width == nil {
		fmt.Fprintln(p.out, printable(p.line(s)))
		return
	}
	width := p.width()
	lines := p.block(s)
	var text strings.Builder
	text.WriteString(p.rewind())
	for i, line := range lines {
		// A line that wraps would be two, and the block could not be rewritten.
		line = cut(printable(line), width-1)
		if i == 0 {
			line = p.style.bold(line)
		}
		text.WriteString(line + "\n")
	}
	p.shown = len(lines)
	fmt.Fprint(p.out, text.String())
}

// Finish takes the block away and writes the summary of the run.
func (p *Progress) Finish(report *Report) {
	fmt.Fprint(p.out, p.rewind())
	p.shown = 0
	writeSummary(p.out, report, p.style)
}

// rewind moves to the first line of the block and erases from there.
func (p *Progress) rewind() string {
	if p.shown == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", p.shown)
}

// clock writes how far the run is, and how far it is to go.
func (p *Progress) clock(elapsed time.Duration) string {
	if p.planned == 0 {
		return minutes(elapsed)
	}
	return minutes(elapsed) + " of " + minutes(p.planned)
}

// minutes writes a moment of the run like 4:05 or 1:02:03.
func minutes(d time.Duration) string {
	seconds := int(d / time.Second)
	if seconds >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}

func (p *Progress) line(s Snapshot) string {
	parts := []string{p.clock(s.Elapsed)}
	parts = append(parts, rates(s)...)
	for _, name := range ordered(s.Last.Latencies) {
		parts = append(parts, name+" "+quantilesOf(s.Last.Latencies[name]))
	}
	parts = append(parts, levels(s.Last)...)
	if errors := errorsOf(s); len(errors) > 0 {
		parts = append(parts, "errors: "+strings.Join(errors, ", "))
	}
	return strings.Join(parts, "  ")
}

func (p *Progress) block(s Snapshot) []string {
	lines := []string{p.title + "  " + p.clock(s.Elapsed)}
	row := func(head string, parts []string) {
		if len(parts) > 0 {
			lines = append(lines, fmt.Sprintf("  %-12s%s", head, strings.Join(parts, "  ")))
		}
	}
	row("rates", rates(s))
	for _, name := range ordered(s.Last.Latencies) {
		row(name, []string{quantilesOf(s.Last.Latencies[name])})
	}
	row("levels", levels(s.Last))
	row("errors", errorsOf(s))
	return lines
}

// rates are of all that has ever happened: what does not happen any more is 0/s.
func rates(s Snapshot) []string {
	_, counts := codes(s.Totals.Counts)
	var parts []string
	for _, name := range ordered(counts) {
		parts = append(parts, name+" "+FormatValue(float64(s.Last.Counts[name]), UnitRate))
	}
	return parts
}

func quantilesOf(l Latency) string {
	return fmt.Sprintf("p50 %s  p90 %s  p99 %s  max %s", FormatValue(l.P50, UnitSeconds), FormatValue(l.P90, UnitSeconds),
		FormatValue(l.P99, UnitSeconds), FormatValue(l.Max, UnitSeconds))
}

func levels(point Point) []string {
	var parts []string
	for _, name := range ordered(point.Gauges) {
		parts = append(parts, name+" "+FormatValue(point.Gauges[name], unitOf(name)))
	}
	return parts
}

// errorsOf are all codes so far, and how many of each were in the last second.
func errorsOf(s Snapshot) []string {
	totals, _ := codes(s.Totals.Counts)
	last, _ := codes(s.Last.Counts)
	var parts []string
	for _, code := range ordered(totals) {
		part := code + " " + FormatValue(float64(totals[code]), UnitCount)
		if last[code] > 0 {
			part += " (+" + FormatValue(float64(last[code]), UnitCount) + ")"
		}
		parts = append(parts, part)
	}
	return parts
}

// cut leaves what fits into the width.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:max(width-1, 0)]) + "…"
}
