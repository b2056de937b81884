package report

import (
	"time"
)

// settle is how long after a second's end everybody's part of it should be there.
const settle = 500 * time.Millisecond

// Snapshot is how far a run is.
type Snapshot struct {
	// Elapsed is since the start of the run.
	Elapsed time.Duration
	// Last is the newest second of which everybody's part should be there: it ended at
	// least half a second ago. It is the zero Point if there is none yet.
	Last Point
	// Totals are of the whole run so far.
	Totals Totals
}

// Totals sum up a run.
type Totals struct {
	// Counts are all that happened, by the names of Point.Counts.
	Counts map[string]int64 `json:"counts,omitempty"`
	// Gauges are the levels at the end.
	Gauges map[string]float64 `json:"gauges,omitempty"`
	// Latencies are of the whole run: not means of its seconds.
	Latencies map[string]Latency `json:"latencies,omitempty"`
}

// Snapshot tells how far the run is. The caller owns the answer.
func (r *Recorder) Snapshot() Snapshot {
	elapsed := time.Since(r.started)
	r.mu.Lock()
	defer r.mu.Unlock()
	snapshot := Snapshot{Elapsed: elapsed, Totals: r.sum()}
	if ended := int((elapsed - settle) / time.Second); ended > 0 && len(r.seconds) > 0 {
		snapshot.Last = r.point(min(ended, len(r.seconds)) - 1)
	}
	return snapshot
}

// Report fills in what was recorded: Started, Elapsed, Points, Marks and Totals. The
// figures are the caller's, out of the totals.
func (r *Recorder) Report(report *Report) {
	elapsed := time.Since(r.started)
	r.mu.Lock()
	defer r.mu.Unlock()
	report.Started, report.Elapsed = r.started, elapsed
	report.Points = make([]Point, len(r.seconds))
	for i := range r.seconds {
		report.Points[i] = r.point(i)
	}
	report.Marks = append([]Mark{}, r.marks...)
	report.Totals = r.sum()
}

func (r *Recorder) sum() Totals {
	totals := Totals{Counts: map[string]int64{}, Gauges: map[string]float64{}, Latencies: latencies(r.totals.latencies)}
	for name, n := range r.totals.counts {
		totals.Counts[name] = *n
	}
	if len(r.seconds) > 0 {
		totals.Gauges = r.gauges(len(r.seconds) - 1)
	}
	return totals
}
