package report

import (
	"encoding/json"
	"fmt"
	"time"
)

const (
	// maxCounts, maxGauges and maxLatencies bound the names of each kind, in a tally
	// and in a run. Codes of errors come from the other side, which may think of any number.
	maxCounts    = 256
	maxGauges    = 64
	maxLatencies = 16
	// Other is what further names go under.
	Other = "other"
)

// Tally is what one goroutine records of one interval, usually a second, until
// Recorder.Merge or Tally.Merge takes it. It is not safe for concurrent use.
//
// It costs 168 KiB for each kind of latency that has occurred, so one belongs to a
// goroutine that serves many connections, not to a connection. Names of more than 256
// counts, 64 gauges or 16 latencies go under "other".
type Tally struct {
	// Source is whose levels the gauges are: those of different sources add up.
	// Counts and latencies always do.
	Source string

	counts    map[string]*int64
	gauges    map[string]float64
	latencies map[string]*Durations
}

// NewTally makes an empty tally of the source "".
func NewTally() *Tally {
	return &Tally{counts: map[string]*int64{}, gauges: map[string]float64{}, latencies: map[string]*Durations{}}
}

// Count is where things of the name are counted: a handle for what happens often. It
// stays valid as long as the tally; merging takes its value and leaves 0.
func (t *Tally) Count(name string) *int64 {
	name = bounded(t.counts, name, maxCounts)
	n, ok := t.counts[name]
	if !ok {
		n = new(int64)
		t.counts[name] = n
	}
	return n
}

// Add counts n things of the name.
func (t *Tally) Add(name string, n int64) { *t.Count(name) += n }

// Durations is where durations of the name are counted: a handle for what happens
// often. It stays valid as long as the tally; merging empties it.
func (t *Tally) Durations(name string) *Durations {
	name = bounded(t.latencies, name, maxLatencies)
	d, ok := t.latencies[name]
	if !ok {
		d = newDurations()
		t.latencies[name] = d
	}
	return d
}

// Observe counts one duration of the name, from the intended time; see Durations.
func (t *Tally) Observe(name string, took time.Duration) { t.Durations(name).Observe(took) }

// ObserveN counts n equal durations of the name.
func (t *Tally) ObserveN(name string, took time.Duration, n int64) {
	t.Durations(name).ObserveN(took, n)
}

// Gauge sets a level; the last one of the interval counts. What several goroutines
// of a source have together is set by one of them.
func (t *Tally) Gauge(name string, level float64) {
	t.gauges[bounded(t.gauges, name, maxGauges)] = level
}

// Merge takes all that other holds: afterwards other is empty, its handles still valid.
// Of a gauge that both have other's level counts. It must not be used by anybody meanwhile.
func (t *Tally) Merge(other *Tally) {
	for name, n := range other.counts {
		if *n != 0 {
			t.Add(name, *n)
		}
	}
	for name, level := range other.gauges {
		t.Gauge(name, level)
	}
	for name, d := range other.latencies {
		if !d.empty() {
			t.Durations(name).add(d)
		}
	}
	other.Reset()
}

// Reset empties the tally; its handles stay valid.
func (t *Tally) Reset() {
	for _, n := range t.counts {
		*n = 0
	}
	clear(t.gauges)
	for _, d := range t.latencies {
		d.reset()
	}
}

// sentTally is a tally on its way from a worker to its coordinator.
type sentTally struct {
	Source    string                `json:"source,omitempty"`
	Counts    map[string]int64      `json:"counts,omitempty"`
	Gauges    map[string]float64    `json:"gauges,omitempty"`
	Latencies map[string]*Durations `json:"latencies,omitempty"`
}

// MarshalJSON writes what is not zero. It leaves the tally as it is: whoever has sent it
// calls Reset.
func (t *Tally) MarshalJSON() ([]byte, error) {
	sent := sentTally{Source: t.Source, Counts: map[string]int64{}, Gauges: t.gauges, Latencies: map[string]*Durations{}}
	for name, n := range t.counts {
		if *n != 0 {
			sent.Counts[name] = *n
		}
	}
	for name, d := range t.latencies {
		if !d.empty() {
			sent.Latencies[name] = d
		}
	}
	return json.Marshal(sent)
}

// UnmarshalJSON reads what MarshalJSON wrote, in place of all that the tally held;
// handles from before are void.
func (t *Tally) UnmarshalJSON(data []byte) error {
	var sent sentTally
	if err := json.Unmarshal(data, &sent); err != nil {
		return fmt.Errorf("reading a tally: %w", err)
	}
	*t = *NewTally()
	t.Source = sent.Source
	for name, n := range sent.Counts {
		t.Add(name, n)
	}
	for name, level := range sent.Gauges {
		t.Gauge(name, level)
	}
	for name, d := range sent.Latencies {
		if d != nil {
			t.Durations(name).add(d)
		}
	}
	return nil
}

// bounded is the name, or Other if the map is full and does not have it.
func bounded[V any](known map[string]V, name string, most int) string {
	if _, ok := known[name]; ok || len(known) < most-1 {
		return name
	}
	return Other
}
