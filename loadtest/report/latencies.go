package report

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// lowest, highest and figures give a histogram 21,504 buckets, 168 KiB, from a
	// microsecond to ten minutes, each at most a thousandth wide.
	lowest  = time.Microsecond
	highest = 10 * time.Minute
	figures = 3
)

// Durations counts durations of one kind, of one goroutine's. What is shorter than
// a microsecond or longer than ten minutes counts as just that.
//
// Whoever observes measures from the moment when a thing should have begun, not from
// when the harness got round to it: a generator that was held up by the server
// would otherwise leave out the worst of what it caused (coordinated omission).
type Durations struct {
	counts *hdrhistogram.Histogram
}

func newDurations() *Durations {
	return &Durations{counts: hdrhistogram.New(lowest.Microseconds(), highest.Microseconds(), figures)}
}

// Observe counts one duration.
func (d *Durations) Observe(took time.Duration) { d.ObserveN(took, 1) }

// ObserveN counts n equal durations, which is cheaper than n calls.
func (d *Durations) ObserveN(took time.Duration, n int64) {
	// It fails only for what is out of range, and nothing is after the clamp.
	_ = d.counts.RecordValues(min(max(took, lowest), highest).Microseconds(), n)
}

func (d *Durations) empty() bool { return d.counts.TotalCount() == 0 }

func (d *Durations) add(other *Durations) { d.counts.Merge(other.counts) }

func (d *Durations) reset() {
	if !d.empty() { // 168 KiB of zeros
		d.counts.Reset()
	}
}

// latency sums up what was observed.
func (d *Durations) latency() Latency {
	at := d.counts.ValueAtPercentilesSlice([]float64{50, 90, 99, 99.9, 100})
	seconds := func(i int) float64 { return float64(at[i]) / 1e6 }
	return Latency{Count: d.counts.TotalCount(), P50: seconds(0), P90: seconds(1), P99: seconds(2), P999: seconds(3), Max: seconds(4)}
}

// MarshalText writes HdrHistogram's own V2 form, which its tools read, too.
func (d *Durations) MarshalText() ([]byte, error) {
	return d.counts.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
}

// UnmarshalText reads what MarshalText wrote. Another range or precision is an error.
func (d *Durations) UnmarshalText(text []byte) error {
	counts, err := hdrhistogram.Decode(text)
	if err != nil {
		return fmt.Errorf("reading a histogram: %w", err)
	}
	if counts.LowestTrackableValue() != lowest.Microseconds() || counts.HighestTrackableValue() != highest.Microseconds() || counts.SignificantFigures() != figures {
		return fmt.Errorf("reading a histogram: it is from %d to %d µs with %d figures, want %d to %d with %d", counts.LowestTrackableValue(),
			counts.HighestTrackableValue(), counts.SignificantFigures(), lowest.Microseconds(), highest.Microseconds(), figures)
	}
	d.counts = counts
	return nil
}
