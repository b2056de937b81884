package report

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// style writes what a terminal shows in bold or colour.
type style struct{ colour bool }

func (s style) bold(text string) string  { return s.paint("1", text) }
func (s style) green(text string) string { return s.paint("32", text) }
func (s style) red(text string) string   { return s.paint("1;31", text) }

func (s style) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// verdict paints the text in the colour of a verdict.
func (s style) verdict(ok bool, text string) string {
	if ok {
		return s.green(text)
	}
	return s.red(text)
}

// printable is one line without what would steer a terminal: names and details come from others.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
			return ' '
		case unicode.IsControl(c):
			return unicode.ReplacementChar
		}
		return c
	}, text)
}

// writeSummary writes what a reader of a terminal wants to know of a run that is over.
func writeSummary(out io.Writer, report *Report, style style) {
	verdict := report.Verdict()
	fmt.Fprintf(out, "%s %s in %s: %s\n", printable(report.Title), style.verdict(verdict == Passed, strings.ToUpper(string(verdict))),
		minutes(report.Elapsed), printable(report.Reason()))

	var figures [][]string
	for _, f := range report.Figures {
		figures = append(figures, []string{f.Name, FormatValue(f.Value, f.Unit), f.Help})
	}
	writeTable(out, "figures", figures)

	var latencies [][]string
	for _, name := range ordered(report.Totals.Latencies) {
		l := report.Totals.Latencies[name]
		latencies = append(latencies, []string{name, FormatValue(float64(l.Count), UnitCount) + " samples", quantilesOf(l)})
	}
	writeTable(out, "latencies", latencies)

	totals, _ := codes(report.Totals.Counts)
	var errors [][]string
	for _, code := range ordered(totals) {
		errors = append(errors, []string{code, FormatValue(float64(totals[code]), UnitCount)})
	}
	writeTable(out, "errors", errors)
	writeChecks(out, report.Checks, style)
}

// writeChecks writes those that failed last, where the prompt is.
func writeChecks(out io.Writer, checks []Check, style style) {
	if len(checks) == 0 {
		return
	}
	fmt.Fprintln(out, "\nchecks")
	width := 0
	for _, check := range checks {
		width = max(width, utf8.RuneCountInString(printable(check.Name)))
	}
	for _, ok := range []bool{true, false} {
		word := map[bool]string{true: "ok    ", false: "FAILED"}[ok]
		for _, check := range checks {
			if check.OK != ok {
				continue
			}
			fmt.Fprintf(out, "  %s  %s  ", style.verdict(ok, word), pad(printable(check.Name), width, false))
			for i, line := range strings.Split(strings.TrimSpace(check.Detail), "\n") {
				if i > 0 { // below the first one
					fmt.Fprint(out, strings.Repeat(" ", width+12))
				}
				fmt.Fprintln(out, printable(line))
			}
		}
	}
}

// writeTable writes rows below a title, the second column to the right, and nothing without rows.
func writeTable(out io.Writer, title string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = printable(cell)
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	fmt.Fprintln(out, "\n"+title)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = pad(cell, widths[i], i == 1)
		}
		fmt.Fprintln(out, "  "+strings.TrimRight(strings.Join(cells, "  "), " "))
	}
}

// pad fills a cell up with spaces, on its left if it stands to the right.
func pad(cell string, width int, right bool) string {
	space := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(cell)))
	if right {
		return space + cell
	}
	return cell + space
}
