package report

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestDecimationKeepsTheExtremes compares each stretch of what is left with the same one of all.
func TestDecimationKeepsTheExtremes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(-10, 1e6), rapid.Just(math.NaN())), 0, 500).Draw(t, "values")
		most := rapid.IntRange(2, 100).Draw(t, "most")
		samples := decimate(values, most)
		if len(samples) > max(most, 0) {
			t.Fatalf("got %d samples, want at most %d", len(samples), most)
		}
		for i, s := range samples {
			if got, want := fmt.Sprint(s.value), fmt.Sprint(values[s.at]); got != want || i > 0 && s.at <= samples[i-1].at {
				t.Fatalf("got %s at %d after %v, want %s, in order", got, s.at, samples[:i], want)
			}
		}
		parts := stretches(len(values), most/2)
		if len(values) <= most {
			parts = stretches(len(values), len(values))
		}
		for _, part := range parts {
			var left []float64
			for _, s := range samples {
				if s.at >= part.from && s.at < part.to {
					left = append(left, s.value)
				}
			}
			lowGot, highGot := extremes(left, stretch{0, len(left)})
			low, high := extremes(values, part)
			if got, want := fmt.Sprint(lowGot.value, highGot.value), fmt.Sprint(low.value, high.value); got != want {
				t.Errorf("seconds %d to %d: got extremes %s, want %s", part.from, part.to, got, want)
			}
		}
	})
}

func labels(a axis) []string {
	var labels []string
	for _, tick := range a.ticks {
		labels = append(labels, tick.Label)
	}
	return labels
}

func TestAxesHaveRoundTicks(t *testing.T) {
	for name, c := range map[string]struct {
		axis axis
		want []string
	}{
		"few":            {linearAxis(7, UnitCount), []string{"0", "2", "4", "6", "8"}},
		"nothing":        {linearAxis(0, UnitCount), []string{"0", "0.5", "1.0"}},
		"thousands":      {linearAxis(5000, UnitRate), []string{"0", "2000", "4000", "6000"}},
		"15,000":         {linearAxis(15000, UnitCount), []string{"0", "5 k", "10 k", "15 k"}},
		"a million":      {linearAxis(1.04e6, UnitRate), []string{"0", "0.5 M", "1.0 M", "1.5 M"}},
		"bytes":          {linearAxis(1.4*(1<<30), UnitBytes), []string{"0", "0.5 GiB", "1.0 GiB", "1.5 GiB"}},
		"no bytes":       {linearAxis(0.5, UnitBytes), []string{"0", "0.2 B", "0.4 B", "0.6 B"}},
		"a ratio":        {linearAxis(0.86, UnitRatio), []string{"0", "50 %", "100 %"}},
		"decades":        {logAxis(0.003, 2.5), []string{"10 ms", "100 ms", "1 s"}},
		"one decade":     {logAxis(0.004, 0.03), []string{"2 ms", "5 ms", "10 ms", "20 ms", "50 ms"}},
		"one value":      {logAxis(0.01, 0.01), []string{"10 ms", "20 ms"}},
		"no value":       {logAxis(math.Inf(1), 0), []string{"1 ms", "10 ms", "100 ms", "1 s"}},
		"a short run":    {timeAxis(1500 * time.Millisecond), []string{"0 s", "1 s"}},
		"two minutes":    {timeAxis(45 * time.Second), []string{"0 s", "5 s", "10 s", "15 s", "20 s", "25 s", "30 s", "35 s", "40 s", "45 s"}},
		"twenty minutes": {timeAxis(20 * time.Minute), []string{"0:00", "2:00", "4:00", "6:00", "8:00", "10:00", "12:00", "14:00", "16:00", "18:00", "20:00"}},
		"a day":          {timeAxis(24 * time.Hour), []string{"0:00", "2:00:00", "4:00:00", "6:00:00", "8:00:00", "10:00:00", "12:00:00", "14:00:00", "16:00:00", "18:00:00", "20:00:00", "22:00:00", "24:00:00"}},
	} {
		if got := labels(c.axis); !slices.Equal(got, c.want) {
			t.Errorf("%s: got ticks %q, want %q", name, got, c.want)
		}
	}
}

// TestAxesHoldTheirValues draws any values: all of them lie within, none is drawn above the top.
func TestAxesHoldTheirValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := math.Pow(10, rapid.Float64Range(-6, 3).Draw(t, "low"))
		high := low * math.Pow(10, rapid.Float64Range(0, 6).Draw(t, "factor"))
		unit := rapid.SampledFrom([]string{UnitSeconds, UnitRate, UnitBytes, UnitRatio, UnitCount}).Draw(t, "unit")
		for name, a := range map[string]axis{"log": logAxis(low, high), "linear": linearAxis(high, unit)} {
			for _, value := range []float64{low, high} {
				if got := a.place(value); got < -1e-9 || got > 1+1e-9 {
					t.Errorf("%s: got %g at %g, want it from 0 to 1", name, value, got)
				}
			}
			if got := len(a.ticks); got < 2 || got > 11 {
				t.Errorf("%s: got %d ticks %q, want 2 to 11", name, got, labels(a))
			}
		}
	})
}

func TestSeriesShareAPlotWhileBothCanBeRead(t *testing.T) {
	var all []series
	for name, peak := range map[string]float64{"sent": 1000, "received": 1e6, "acked": 999, "joined": 60, "closed": 51, "late": 2} {
		all = append(all, series{name: name, values: []float64{0, peak, math.NaN()}})
	}
	var got []string
	for _, group := range byMagnitude(all) {
		got = append(got, titleOf(group))
	}
	if want := []string{"received", "sent, acked, joined, closed", "late"}; !slices.Equal(got, want) {
		t.Errorf("got plots %q, want %q", got, want)
	}
}

func TestRareCodesAreDrawnTogether(t *testing.T) {
	point := Point{Counts: map[string]int64{}}
	for i := range 10 {
		point.Counts[fmt.Sprint("error ", i)] = int64(i)
	}
	all := errorSeries([]Point{point})
	if got, want := titleOf(all), "9, 8, 7, 6, 5, 4 others"; got != want || all[5].values[0] != 4+3+2+1 {
		t.Errorf("got the codes %q, the last with %g, want %q with 10", got, all[5].values[0], want)
	}
}

// TestTheLastSecondIsNoFall ends a run in the middle of a second.
func TestTheLastSecondIsNoFall(t *testing.T) {
	report := &Report{Elapsed: 2300 * time.Millisecond}
	for i := range 3 {
		report.Points = append(report.Points, Point{
			At: time.Duration(i) * time.Second, Counts: map[string]int64{"sent": 100}, Gauges: map[string]float64{"connections": 5},
		})
	}
	drawn := plots(report)
	if got := len(drawn[0].series[0].values); got != 2 {
		t.Errorf("got %d seconds of sent, want the 2 whole ones", got)
	}
	if got := len(drawn[1].series[0].values); got != 3 {
		t.Errorf("got %d seconds of connections, want all 3", got)
	}
}

func TestGapsAreNotDrawnOver(t *testing.T) {
	nan := math.NaN()
	got := stroke(decimate([]float64{1, 2, nan, 3, nan, nan, 4, 4}, maxSamples), axis{high: 4}, 10*time.Second)
	if want := "M50.0 750.0L150.0 500.0M310.0 250.0H390.0M650.0 0.0L750.0 0.0"; got != want {
		t.Errorf("got the path %s, want %s", got, want)
	}
}

func TestLayersOfAStackLieOnEachOther(t *testing.T) {
	var d drawing
	d.drawStack(plot{unit: UnitRate, series: []series{{"timeout", []float64{1, 0, 2}}, {"4100", []float64{3, 1, 0}}}}, 4*time.Second)
	want := []string{
		"M0.0 1000.0H250.0V750.0H0.0ZM500.0 1000.0H750.0V500.0H500.0Z",
		"M0.0 750.0H250.0V0.0H0.0ZM250.0 1000.0H500.0V750.0H250.0Z",
	}
	for i, l := range d.Lines {
		if l.Path != want[i] {
			t.Errorf("%s: got the layer %s, want %s", l.Name, l.Path, want[i])
		}
	}
}
