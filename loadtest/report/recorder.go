package report

import (
	"sync"
	"time"
)

const (
	// window is how many of the newest seconds stay open: 168 KiB a kind of latency each.
	window = 15
	// maxSeconds bounds the time line: what comes later goes into its last second.
	maxSeconds = 24 * 60 * 60
	// maxMarks bounds the events of a run.
	maxMarks = 1000
)

// Recorder is the time line of a run: what all goroutines, processes and hosts have
// recorded, second by second. It is safe for concurrent use.
//
// The newest 15 seconds keep their histograms, so that parts of a second may come late
// and in any order. An older second keeps sums only: an hour with 20 names takes about 6 MB,
// besides 10 MB of histograms if 4 of them are latencies. What comes later still counts in its
// second's counts and in the totals; it changes no percentiles and no gauges of its second.
type Recorder struct {
	started time.Time

	mu      sync.Mutex
	seconds []*second // from the run's start; nil where nothing happened
	closed  int       // how many of the first seconds keep sums only
	totals  *Tally
	marks   []Mark
}

// NewRecorder makes the empty time line of a run that started then.
func NewRecorder(started time.Time) *Recorder {
	return &Recorder{started: started, totals: NewTally()}
}

// Merge enters a tally that was recorded around the second at, counted from the start of the
// run, and empties it. Parts of one second add up, whoever they come from; of gauges with
// the same source the last one counts. What is before the start counts in the first second.
func (r *Recorder) Merge(at time.Duration, tally *Tally) {
	index := int(min(max(at, 0)/time.Second, maxSeconds-1))
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.seconds) <= index {
		r.seconds = append(r.seconds, nil)
	}
	for ; r.closed < len(r.seconds)-window; r.closed++ {
		r.close(r.closed)
	}
	if r.seconds[index] == nil {
		r.seconds[index] = newSecond(index)
	}
	r.seconds[index].add(tally, r.totals)
	tally.Reset()
}

// Add counts n things now. Like Observe and Gauge it takes the recorder's lock: for what is
// rare. What is frequent has a Tally.
func (r *Recorder) Add(name string, n int64) {
	r.now(func(t *Tally) { t.Add(name, n) })
}

// Observe counts a duration, from the intended time, that ended now.
func (r *Recorder) Observe(name string, took time.Duration) {
	r.now(func(t *Tally) { t.Observe(name, took) })
}

// Gauge sets a level of the source "" now.
func (r *Recorder) Gauge(name string, level float64) {
	r.now(func(t *Tally) { t.Gauge(name, level) })
}

func (r *Recorder) now(record func(*Tally)) {
	tally := NewTally()
	record(tally)
	r.Merge(time.Since(r.started), tally)
}

// Mark begins an event of the run, such as a fault. It is only a moment unless end, which may
// be called once, says when it was over. Of more than 1,000 the first are kept.
func (r *Recorder) Mark(name string) (end func()) {
	at := time.Since(r.started)
	r.mu.Lock()
	defer r.mu.Unlock()
	i := len(r.marks)
	if i == maxMarks {
		return func() {}
	}
	r.marks = append(r.marks, Mark{Name: name, At: at})
	return func() {
		until := time.Since(r.started)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.marks[i].Until = until
	}
}
