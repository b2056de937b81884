package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	// maxSeries is how many series a reader can tell apart in one plot.
	maxSeries = 6
	// readable is how many times higher than another one a series of the same linear plot may be.
	readable = 20
)

// series is one line of a plot: a value for each second, NaN for none.
type series struct {
	name   string
	values []float64
}

// peak is the highest value, 0 if there is none.
func (s series) peak() float64 {
	peak := 0.0
	for _, v := range s.values {
		if v > peak { // never so for NaN
			peak = v
		}
	}
	return peak
}

// plot is what one drawing shows.
type plot struct {
	title  string
	unit   string
	log    bool // durations of any size; otherwise the axis begins at 0
	stack  bool // of series on top of each other
	series []series
}

// plots are all that is drawn of a report, in order: what was done, how long it took, who was
// connected, what failed, what it cost, the rest.
func plots(report *Report) []plot {
	t := timeline(report.Points)
	// The run ends within its last second; as a rate that would look like a fall.
	whole := t
	if n := len(t); n > 1 && time.Duration(n)*time.Second > report.Elapsed && report.Elapsed > 0 {
		whole = t[:n-1]
	}
	var all []plot
	for _, group := range byMagnitude(rateSeries(whole)) {
		all = append(all, plot{title: titleOf(group) + " per second", unit: UnitRate, series: group})
	}
	for _, kind := range ordered(report.kinds()) {
		all = append(all, plot{title: "latency: " + kind, unit: UnitSeconds, log: true, series: quantileSeries(t, kind)})
	}
	gauges := gaugeSeries(t)
	add := func(title, unit string, of []series) {
		for chunk := range slices.Chunk(of, maxSeries) {
			all = append(all, plot{title: title, unit: unit, series: chunk})
		}
	}
	add("connections", UnitCount, gauges["connections"])
	if errors := errorSeries(whole); len(errors) > 0 {
		all = append(all, plot{title: "errors per second, by code", unit: UnitRate, stack: true, series: errors})
	}
	add("CPU, of one core", UnitRatio, gauges[UnitRatio])
	add("memory", UnitBytes, gauges[UnitBytes])
	for _, group := range byMagnitude(gauges["others"]) {
		all = append(all, plot{title: titleOf(group), unit: UnitCount, series: group})
	}
	return all
}

// timeline has every second of the run at its place.
func timeline(points []Point) []Point {
	var line []Point
	for _, point := range points {
		i := int(min(max(point.At, 0)/time.Second, maxSeconds-1))
		for len(line) <= i {
			line = append(line, Point{At: time.Duration(len(line)) * time.Second})
		}
		line[i] = point
	}
	return line
}

// seriesOf makes a series of what value gives of each second.
func seriesOf(name string, t []Point, value func(Point) (float64, bool)) series {
	s := series{name: name, values: make([]float64, len(t))}
	for i, point := range t {
		s.values[i] = math.NaN()
		if v, ok := value(point); ok {
			s.values[i] = v
		}
	}
	return s
}

// countSeries are of the counts for which name gives one, those that were never more than 0
// left out.
func countSeries(t []Point, name func(count string) (string, bool)) []series {
	peaks := map[string]string{}
	for _, point := range t {
		for count, n := range point.Counts {
			if shown, ok := name(count); ok && n > 0 {
				peaks[shown] = count
			}
		}
	}
	var all []series
	for _, shown := range ordered(peaks) {
		all = append(all, seriesOf(shown, t, func(p Point) (float64, bool) { return float64(p.Counts[peaks[shown]]), true }))
	}
	return all
}

func rateSeries(t []Point) []series {
	return countSeries(t, func(count string) (string, bool) { return count, !strings.HasPrefix(count, errorPrefix) })
}

// errorSeries are the most frequent codes, and all others together.
func errorSeries(t []Point) []series {
	all := countSeries(t, func(count string) (string, bool) { return strings.CutPrefix(count, errorPrefix) })
	if len(all) <= maxSeries {
		return all
	}
	slices.SortStableFunc(all, func(a, b series) int { return cmp.Compare(sum(b.values), sum(a.values)) })
	others := all[maxSeries-1]
	others.name = fmt.Sprintf("%d others", len(all)-maxSeries+1)
	for _, s := range all[maxSeries:] {
		for i, v := range s.values {
			others.values[i] += v
		}
	}
	return append(all[:maxSeries-1], others)
}

func sum(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total
}

// kinds are those of latencies that the points have.
func (r *Report) kinds() map[string]bool {
	kinds := map[string]bool{}
	for _, point := range r.Points {
		for kind := range point.Latencies {
			kinds[kind] = true
		}
	}
	return kinds
}

// quantileSeries leaves p999 out, which is close to max in a second.
func quantileSeries(t []Point, kind string) []series {
	var all []series
	for _, q := range quantiles {
		if q.name != "p999" {
			all = append(all, seriesOf(q.name, t, func(p Point) (float64, bool) {
				latency, ok := p.Latencies[kind]
				return q.of(latency), ok && latency.Count > 0
			}))
		}
	}
	return all
}

// gaugeSeries are the gauges by what they share a plot with: connections, a unit, or others.
func gaugeSeries(t []Point) map[string][]series {
	known := map[string]bool{}
	for _, point := range t {
		for name := range point.Gauges {
			known[name] = true
		}
	}
	groups := map[string][]series{}
	for _, name := range ordered(known) {
		group := unitOf(name)
		switch {
		case name == "connections":
			group = name
		case group == UnitCount:
			group = "others"
		}
		groups[group] = append(groups[group], seriesOf(name, t, func(p Point) (float64, bool) {
			v, ok := p.Gauges[name]
			return v, ok
		}))
	}
	return groups
}

// byMagnitude puts series together that one linear axis can show: a thousand messages sent
// are a line at the bottom of a million received. The highest come first.
func byMagnitude(all []series) [][]series {
	sorted := slices.SortedStableFunc(slices.Values(all), func(a, b series) int { return cmp.Compare(b.peak(), a.peak()) })
	var groups [][]series
	for _, s := range sorted {
		last := len(groups) - 1
		if last < 0 || len(groups[last]) == maxSeries || s.peak()*readable < groups[last][0].peak() {
			groups = append(groups, []series{s})
			continue
		}
		groups[last] = append(groups[last], s)
	}
	for _, group := range groups {
		slices.SortStableFunc(group, func(a, b series) int {
			return cmp.Or(cmp.Compare(rank(a.name), rank(b.name)), cmp.Compare(a.name, b.name))
		})
	}
	return groups
}

func titleOf(group []series) string {
	var names []string
	for _, s := range group {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}
