package report

import (
	"maps"
	"time"
)

// hold is for how many seconds a source that says nothing keeps its levels.
const hold = 3

// second is what happened in one second of the run, of all sources together.
type second struct {
	// point has the counts; when the second is closed, the rest, too.
	point     Point
	levels    map[level]float64     // nil some seconds after the close
	durations map[string]*Durations // nil when closed
}

// level names a gauge of a source.
type level struct{ source, name string }

func newSecond(index int) *second {
	return &second{
		point:     Point{At: time.Duration(index) * time.Second, Counts: map[string]int64{}},
		levels:    map[level]float64{},
		durations: map[string]*Durations{},
	}
}

// add enters a tally here and in the totals, whose names bound those of all seconds, and
// leaves the tally as it is.
func (s *second) add(tally, totals *Tally) {
	closed := s.durations == nil
	for name, n := range tally.counts {
		if *n != 0 {
			name = bounded(totals.counts, name, maxCounts)
			totals.Add(name, *n)
			s.point.Counts[name] += *n
		}
	}
	for name, value := range tally.gauges {
		if !closed {
			name = bounded(totals.gauges, name, maxGauges)
			totals.Gauge(name, value)
			s.levels[level{tally.Source, name}] = value
		}
	}
	for name, d := range tally.latencies {
		if d.empty() {
			continue
		}
		name = bounded(totals.latencies, name, maxLatencies)
		totals.Durations(name).add(d)
		if closed {
			continue
		}
		if s.durations[name] == nil {
			s.durations[name] = newDurations()
		}
		s.durations[name].add(d)
	}
}

func (s *second) latencies() map[string]Latency {
	return latencies(s.durations)
}

// latencies sums up what has samples.
func latencies(durations map[string]*Durations) map[string]Latency {
	sums := make(map[string]Latency, len(durations))
	for name, d := range durations {
		if !d.empty() {
			sums[name] = d.latency()
		}
	}
	return sums
}

// close leaves of a second only what a report says of it.
func (r *Recorder) close(index int) {
	if levels := r.gauges(index); r.seconds[index] != nil || len(levels) > 0 {
		if r.seconds[index] == nil {
			r.seconds[index] = newSecond(index)
		}
		s := r.seconds[index]
		s.point.Gauges, s.point.Latencies, s.durations = levels, s.latencies(), nil
	}
	if old := index - hold; old >= 0 && r.seconds[old] != nil {
		r.seconds[old].levels = nil
	}
}

// gauges adds up what the sources said last, in the second or shortly before.
func (r *Recorder) gauges(index int) map[string]float64 {
	latest := map[level]float64{}
	for _, s := range r.seconds[max(0, index-hold+1) : index+1] {
		if s != nil {
			maps.Copy(latest, s.levels)
		}
	}
	sums := map[string]float64{}
	for l, value := range latest {
		sums[l.name] += value
	}
	return sums
}

// point is a copy of what a report says of a second, closed or not.
func (r *Recorder) point(index int) Point {
	s := r.seconds[index]
	switch {
	case s == nil:
		return Point{At: time.Duration(index) * time.Second, Gauges: r.gauges(index)}
	case index < r.closed:
		point := s.point
		point.Counts = maps.Clone(point.Counts) // late parts add to it
		return point
	}
	return Point{At: s.point.At, Counts: maps.Clone(s.point.Counts), Gauges: r.gauges(index), Latencies: s.latencies()}
}
