package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// size is how wide and high a drawing is in its own units; the page stretches it.
const size = 1000

// drawing is a plot as the template writes it.
type drawing struct {
	ID          string
	Title       string
	Description string
	X, Y        []tick
	Marks       []markView
	Lanes       int
	Lines       []line
	Table       table
}

// line is a series: Path is drawn as a stroke, or filled for a layer of a stack.
type line struct {
	Name string
	// Most says what the highest value is.
	Most   string
	Path   string
	Filled bool
	// Style chooses one of the page's colours and dashes.
	Style int
}

// Grid has a line for each tick of the values.
func (d *drawing) Grid() string {
	var path strings.Builder
	for _, t := range d.Y {
		fmt.Fprintf(&path, "M0 %.1fH%d", size*(1-t.At), size)
	}
	return path.String()
}

// draw makes a drawing of each plot, all with the same axis of time.
func draw(report *Report) []drawing {
	length := max(report.Elapsed, time.Second)
	if n := len(report.Points); n > 0 {
		length = max(length, report.Points[n-1].At+time.Second)
	}
	marks, lanes := placeMarks(report.Marks, length)
	var drawings []drawing
	for i, p := range plots(report) {
		drawings = append(drawings, drawing{
			ID: "plot-" + strconv.Itoa(i+1), Title: p.title, X: timeAxis(length).ticks,
			Marks: marks, Lanes: lanes,
		})
		d := &drawings[i]
		if p.stack {
			d.drawStack(p, length)
		} else {
			d.drawLines(p, length)
		}
		d.Table = tableOf(p)
		d.Description = d.describe()
	}
	return drawings
}

func (d *drawing) drawLines(p plot, length time.Duration) {
	y := axisOf(p)
	d.Y = y.ticks
	for i, s := range p.series {
		d.Lines = append(d.Lines, line{Name: s.name, Most: FormatValue(s.peak(), p.unit), Path: stroke(decimate(s.values, maxSamples), y, length), Style: i})
	}
}

func axisOf(p plot) axis {
	low, high := math.Inf(1), 0.0
	for _, s := range p.series {
		for _, v := range s.values {
			if v > 0 { // which NaN is not
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if p.log {
		return logAxis(low, high)
	}
	return linearAxis(high, p.unit)
}

// across is where a moment of the run is.
func across(seconds float64, length time.Duration) float64 { return seconds / length.Seconds() * size }

// stroke goes through the middles of the seconds. A second between gaps is a dash of its own.
func stroke(samples []sample, y axis, length time.Duration) string {
	var path strings.Builder
	down := false // the pen is on the paper
	for i, s := range samples {
		if math.IsNaN(s.value) {
			down = false
			continue
		}
		x, up := across(float64(s.at)+0.5, length), size*(1-y.place(s.value))
		alone := i+1 == len(samples) || math.IsNaN(samples[i+1].value)
		switch {
		case down:
			fmt.Fprintf(&path, "L%.1f %.1f", x, up)
		case alone:
			half := max(1.5, across(0.4, length))
			fmt.Fprintf(&path, "M%.1f %.1fH%.1f", x-half, up, x+half)
		default:
			fmt.Fprintf(&path, "M%.1f %.1f", x, up)
		}
		down = true
	}
	return path.String()
}

// drawStack draws each stretch of seconds as its worst one, so that the layers are of the same
// moment and their sum was really there.
func (d *drawing) drawStack(p plot, length time.Duration) {
	n := len(p.series[0].values)
	totals := make([]float64, n)
	for _, s := range p.series {
		for i, v := range s.values {
			totals[i] += v
		}
	}
	y := linearAxis(series{values: totals}.peak(), p.unit)
	d.Y = y.ticks
	d.Lines = make([]line, len(p.series))
	paths := make([]strings.Builder, len(p.series))
	for _, part := range stretches(n, maxSamples) {
		_, worst := extremes(totals, part)
		from, to := across(float64(part.from), length), across(float64(part.to), length)
		below := 0.0
		for i, s := range p.series {
			if v := s.values[worst.at]; v > 0 {
				fmt.Fprintf(&paths[i], "M%.1f %.1fH%.1fV%.1fH%.1fZ", from, size*(1-y.place(below)), to, size*(1-y.place(below+v)), from)
				below += v
			}
		}
	}
	for i, s := range p.series {
		d.Lines[i] = line{Name: s.name, Most: FormatValue(s.peak(), p.unit), Path: paths[i].String(), Filled: true, Style: i}
	}
}

// describe says in words what who does not see the drawing should know.
func (d *drawing) describe() string {
	parts := make([]string, 0, len(d.Lines)+len(d.Marks))
	for _, l := range d.Lines {
		parts = append(parts, l.Name+" is at most "+l.Most)
	}
	for _, m := range d.Marks {
		parts = append(parts, fmt.Sprintf("%s %s", m.Name, m.When))
	}
	return "Over the seconds of the run: " + strings.Join(parts, "; ") + "."
}
