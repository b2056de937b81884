// Package report holds what a load test or a drill has seen, second by second:
// it records, merges what several processes recorded, judges expectations, and
// shows a run while it goes on, and writes the result as JSON and as one page of HTML that needs nothing else.
//
// Goroutines record into a Tally each, which the Recorder takes once a second; tallies of
// other processes come to it as JSON. What was recorded becomes a Report (Recorder.Report),
// whose figures the harness adds and has judged (ParseExpectations, Judge).
//
// Names say what a thing is. Counts are sent, acked, received, joined, closed, …; those that
// begin with "error " are errors, by their code. Latencies are deliver, ack, join, back, ….
// Gauges with the word cpu in their name are ratios of one core, those with the word memory
// bytes, as in "cpu generator" and "memory server-1"; others are numbers.
//
// Latencies are measured from the moment when a thing was to begin, not from when it
// did: what waits because the server, or the generator, is slow has to count (coordinated
// omission). Nothing in this package can make up for a caller that measures otherwise.
package report

import "time"

// Report is the result of one run, complete or not. Its JSON is what --json writes.
type Report struct {
	// Title says what ran ("loadtest storm", "drill server-kill").
	Title string `json:"title"`
	// Command runs it again.
	Command []string `json:"command"`
	Version string   `json:"version"`
	// Target is the URL that was loaded.
	Target string `json:"target"`
	// Seed decides what is drawn in the run; 0 if nothing is.
	Seed    uint64        `json:"seed,omitempty"`
	Started time.Time     `json:"started"`
	Elapsed time.Duration `json:"elapsed_ns"`
	// Broken says why the run ended before its time; empty if it did not.
	Broken     string      `json:"broken,omitempty"`
	Parameters []Parameter `json:"parameters"`
	// Figures are what a reader wants to know first, in this order.
	Figures []Figure `json:"figures"`
	// Totals are of the whole run.
	Totals Totals `json:"totals"`
	// Points are the seconds of the run, in order.
	Points []Point `json:"points"`
	Marks  []Mark  `json:"marks"`
	Checks []Check `json:"checks"`
}

// Parameter is a setting of the run.
type Parameter struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Figure is one number of the summary. Expectations name it by Name.
type Figure struct {
	// Name is a short word: p99, lost, rate, cpu.
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	// Unit is one of the units: "s", "/s", "B", "%" for ratios, "" for counts.
	Unit string `json:"unit,omitempty"`
	// Better says where the better values are: Less, More, or "" for neither.
	Better Direction `json:"better,omitempty"`
	// Help says what it is in a few words.
	Help string `json:"help"`
}

// Direction is where the better values of a figure are.
type Direction string

// Figures of delay, loss and cost are better when they are less, rates when they are more.
const (
	Less Direction = "less"
	More Direction = "more"
)

// Point is one second of the run.
type Point struct {
	// At is where the second begins, from the start of the run.
	At time.Duration `json:"at_ns"`
	// Counts are what happened in the second: sent, acked, received, joined,
	// closed, and errors by their code as "error CODE".
	Counts map[string]int64 `json:"counts,omitempty"`
	// Gauges are levels at the second's end: connections, cpu, memory.
	Gauges map[string]float64 `json:"gauges,omitempty"`
	// Latencies are of what ended in the second: deliver, ack, join, back.
	Latencies map[string]Latency `json:"latencies,omitempty"`
}

// Latency sums up durations, in seconds.
type Latency struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
}

// Mark is a fault or another event that a reader looks for in the plots.
type Mark struct {
	Name string        `json:"name"`
	At   time.Duration `json:"at_ns"`
	// Until is its end; 0 for what is only a moment.
	Until time.Duration `json:"until_ns,omitempty"`
}

// Check is one judgement of the run: an expectation, or a promise that the oracle holds it to.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Detail says what was seen, and for a promise that was broken where and how.
	Detail string `json:"detail"`
}
