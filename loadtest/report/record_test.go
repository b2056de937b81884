package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// happening is one thing that a goroutine records.
type happening struct {
	worker int
	name   string
	count  int64
	took   time.Duration
}

// TestTalliesOfManyWorkersEqualOneOfAll merges what k workers recorded, half of them by way of
// JSON, and compares it with one tally that recorded everything, and with the durations themselves.
func TestTalliesOfManyWorkersEqualOneOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(1, 5).Draw(t, "workers")
		happenings := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) happening {
			return happening{
				worker: rapid.IntRange(0, workers-1).Draw(t, "worker"),
				name:   rapid.SampledFrom([]string{"ack", "deliver"}).Draw(t, "name"),
				count:  rapid.Int64Range(1, 1000).Draw(t, "count"),
				took:   time.Duration(math.Pow(10, rapid.Float64Range(3, 11.7).Draw(t, "log10 of ns"))),
			}
		}), 1, 100).Draw(t, "happenings")

		tallies, all := make([]*Tally, workers), NewTally()
		for i := range tallies {
			tallies[i] = NewTally()
		}
		exact := map[string][]time.Duration{}
		for _, h := range happenings {
			for _, tally := range []*Tally{tallies[h.worker], all} {
				tally.Add(h.name, h.count)
				tally.ObserveN(h.name, h.took, h.count)
			}
			exact[h.name] = append(exact[h.name], slices.Repeat([]time.Duration{h.took}, int(h.count))...)
		}
		merged := NewTally()
		for i, tally := range tallies {
			if i%2 == 1 {
				tally = throughJSON(t, tally)
			}
			merged.Merge(tally)
		}

		if got, want := latencies(merged.latencies), latencies(all.latencies); !maps.Equal(got, want) {
			t.Fatalf("got latencies %v, want %v", got, want)
		}
		for name, durations := range exact {
			if got, want := *merged.Count(name), int64(len(durations)); got != want {
				t.Errorf("%s: got a count of %d, want %d", name, got, want)
			}
			checkQuantiles(t, merged.Durations(name).latency(), durations)
		}
	})
}

// checkQuantiles allows for a thousandth, or a microsecond, and for the neighbours by rank.
func checkQuantiles(t *rapid.T, got Latency, exact []time.Duration) {
	slices.Sort(exact)
	for _, q := range []struct {
		part float64
		got  float64
	}{{0.5, got.P50}, {0.9, got.P90}, {0.99, got.P99}, {0.999, got.P999}, {1, got.Max}} {
		rank := q.part * float64(len(exact))
		low := exact[max(0, int(math.Floor(rank))-1)].Seconds()
		high := exact[min(len(exact)-1, int(math.Ceil(rank)))].Seconds()
		if q.got < low*0.999-1e-6 || q.got > high*1.001+1e-6 {
			t.Errorf("quantile %g: got %g s, want from %g to %g", q.part, q.got, low, high)
		}
	}
}

func throughJSON(t interface{ Fatal(args ...any) }, tally *Tally) *Tally {
	data, err := json.Marshal(tally)
	if err != nil {
		t.Fatal("marshalling a tally:", err)
	}
	back := new(Tally)
	if err := json.Unmarshal(data, back); err != nil {
		t.Fatal("unmarshalling a tally:", err)
	}
	return back
}

func TestHandlesOutliveAMerge(t *testing.T) {
	tally, into := NewTally(), NewTally()
	sent, acked := tally.Count("sent"), tally.Durations("ack")
	for range 2 {
		*sent += 3
		acked.Observe(time.Millisecond)
		into.Merge(tally)
	}
	if got, want := *into.Count("sent"), int64(6); got != want {
		t.Errorf("got %d sent, want %d", got, want)
	}
	if got, want := into.Durations("ack").latency().Count, int64(2); got != want {
		t.Errorf("got %d acks, want %d", got, want)
	}
	if *sent != 0 || !acked.empty() {
		t.Errorf("got a tally with %d sent after the merge, want it empty", *sent)
	}
}

func TestDurationsOutOfRangeCountAsTheNearest(t *testing.T) {
	d := newDurations()
	d.Observe(-time.Second)
	d.Observe(time.Hour)
	got := d.latency()
	if got.Count != 2 || got.P50 != 1e-6 || math.Abs(got.Max-600) > 0.6 {
		t.Errorf("got %+v, want two durations of 1 µs and 10 min", got)
	}
}

func TestNamesAreBounded(t *testing.T) {
	tally := NewTally()
	for i := range 1000 {
		tally.Add(fmt.Sprintf("error %d", i), 1)
		tally.Gauge(fmt.Sprint("gauge ", i), 1)
		tally.Observe(fmt.Sprint("latency ", i), time.Second)
	}
	recorder := NewRecorder(time.Now())
	recorder.Merge(0, tally)
	for i := range 1000 { // those of another worker
		tally.Add(fmt.Sprint("code ", i), 1)
	}
	recorder.Merge(time.Second, tally)
	var report Report
	recorder.Report(&report)
	point := report.Points[0]
	sum := int64(0)
	for _, n := range point.Counts {
		sum += n
	}
	if got := len(point.Counts); got > maxCounts || sum != 1000 {
		t.Errorf("got %d counts of %d together, want at most %d of 1,000", got, sum, maxCounts)
	}
	if got := report.Points[1].Counts; len(got) != 1 || got[Other] != 1000 {
		t.Errorf("got %d counts in the second second, want 1,000 others", len(got))
	}
	if got := len(point.Gauges); got > maxGauges {
		t.Errorf("got %d gauges, want at most %d", got, maxGauges)
	}
	if got := len(point.Latencies); got > maxLatencies {
		t.Errorf("got %d latencies, want at most %d", got, maxLatencies)
	}
}

func TestAHistogramOfAnotherPrecisionIsRefused(t *testing.T) {
	// One of 1 to 100 with one figure, as another program might write it.
	text := `{"latencies":{"ack":"HISTFAAAACB42pJpmSzMwMDAxAABjGh0iv0HCIOVCRAAAP//Q3UC5Q=="}}`
	err := json.Unmarshal([]byte(text), new(Tally))
	if err == nil || !strings.Contains(err.Error(), "it is from 1 to 100 µs with 1 figures") {
		t.Errorf("got %v, want an error that says what it is", err)
	}
}

// parts are what two sources record of a run of 40 seconds.
func parts(recorder *Recorder, order []int) {
	for _, i := range order {
		for _, source := range []string{"a", "b"} {
			tally := NewTally()
			tally.Source = source
			tally.Add("sent", int64(i))
			tally.Observe("ack", time.Duration(i+1)*time.Millisecond)
			tally.Gauge("connections", 100)
			recorder.Merge(time.Duration(i)*time.Second+time.Duration(i*17)*time.Millisecond, tally)
		}
	}
}

func TestATimeLineAddsUpItsSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := NewRecorder(time.Now())
		var order []int
		for i := range 40 {
			order = append(order, i)
		}
		parts(recorder, order)
		<-time.After(40 * time.Second)
		if got, want := recorder.Snapshot().Last.At, 38*time.Second; got != want {
			t.Errorf("got a snapshot of second %v, want that of %v: parts of the last one may be missing", got, want)
		}
		<-time.After(settle)
		var report Report
		recorder.Report(&report)
		if got := len(report.Points); got != 40 {
			t.Fatalf("got %d points, want 40", got)
		}
		for i, point := range report.Points {
			if got, want := point.Counts["sent"], int64(2*i); got != want || point.At != time.Duration(i)*time.Second {
				t.Errorf("second %d: got %d sent at %v, want %d", i, got, point.At, want)
			}
			if got := point.Gauges["connections"]; got != 200 {
				t.Errorf("second %d: got %g connections, want 200", i, got)
			}
			latency := point.Latencies["ack"]
			if want := float64(i+1) / 1000; latency.Count != 2 || math.Abs(latency.Max-want) > want/1000 {
				t.Errorf("second %d: got %+v, want two acks within %g s", i, latency, want)
			}
		}
		if got := recorder.Snapshot(); got.Last.At != 39*time.Second || got.Totals.Counts["sent"] != 1560 || got.Totals.Latencies["ack"].Count != 80 {
			t.Errorf("got a snapshot of second %v with %+v, want the last one with 1,560 sent and 80 acks", got.Last.At, got.Totals)
		}
	})
}

// TestPartsComeLate merges everything in an order that has the newest seconds first: what
// has left the window counts, in its second and in the totals.
func TestPartsComeLate(t *testing.T) {
	recorder := NewRecorder(time.Now())
	var order []int
	for i := range 40 {
		order = append(order, 39-i)
	}
	parts(recorder, order)
	var report Report
	recorder.Report(&report)
	for i, point := range report.Points {
		if got, want := point.Counts["sent"], int64(2*i); got != want {
			t.Errorf("second %d: got %d sent, want %d", i, got, want)
		}
		if got, want := point.Latencies["ack"].Count, int64(2); i >= 40-window && got != want {
			t.Errorf("second %d: got %d acks, want %d", i, got, want)
		}
	}
	if got, want := report.Totals.Latencies["ack"].Count, int64(80); got != want {
		t.Errorf("got %d acks in all, want %d", got, want)
	}
}

func TestASilentSourceKeepsItsLevelsForAWhile(t *testing.T) {
	recorder := NewRecorder(time.Now())
	tally := NewTally()
	for second := range 20 {
		tally.Source = "a"
		tally.Gauge("connections", 10)
		recorder.Merge(time.Duration(second)*time.Second, tally)
		if second < 5 {
			tally.Source = "b"
			tally.Gauge("connections", 1)
			recorder.Merge(time.Duration(second)*time.Second, tally)
		}
	}
	var report Report
	recorder.Report(&report)
	var got []float64
	for _, point := range report.Points[:10] {
		got = append(got, point.Gauges["connections"])
	}
	if want := []float64{11, 11, 11, 11, 11, 11, 11, 10, 10, 10}; !slices.Equal(got, want) {
		t.Errorf("got connections %v, want %v", got, want)
	}
}

func TestRareThingsAreRecordedNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := NewRecorder(time.Now())
		<-time.After(2500 * time.Millisecond)
		end := recorder.Mark("kill")
		recorder.Mark("drain")
		recorder.Add("closed", 2)
		recorder.Observe("back", time.Second)
		recorder.Gauge("cpu", 0.5)
		<-time.After(time.Second)
		end()
		var report Report
		recorder.Report(&report)
		if got, want := report.Marks, []Mark{
			{Name: "kill", At: 2500 * time.Millisecond, Until: 3500 * time.Millisecond}, {Name: "drain", At: 2500 * time.Millisecond},
		}; !slices.Equal(got, want) {
			t.Errorf("got marks %v, want %v", got, want)
		}
		point := report.Points[2]
		if point.Counts["closed"] != 2 || point.Latencies["back"].Count != 1 || point.Gauges["cpu"] != 0.5 {
			t.Errorf("got %+v, want 2 closed, one back, and half a CPU", point)
		}
		if got, want := report.Elapsed, 3500*time.Millisecond; got != want {
			t.Errorf("got %v elapsed, want %v", got, want)
		}
	})
}

func TestManyGoroutinesRecord(t *testing.T) {
	recorder := NewRecorder(time.Now())
	var working sync.WaitGroup
	for worker := range 8 {
		working.Go(func() {
			tally := NewTally()
			for second := range 30 {
				tally.Add("sent", 1)
				tally.Observe("ack", time.Millisecond)
				recorder.Merge(time.Duration(second)*time.Second, tally)
				recorder.Add("rare", 1)
				recorder.Mark(fmt.Sprint(worker))()
				recorder.Snapshot()
			}
		})
	}
	working.Wait()
	totals := recorder.Snapshot().Totals
	if totals.Counts["sent"] != 240 || totals.Counts["rare"] != 240 || totals.Latencies["ack"].Count != 240 {
		t.Errorf("got %+v, want 240 of each", totals)
	}
}

func TestRecordingAllocatesNothing(t *testing.T) {
	tally := NewTally()
	for name, record := range map[string]func(){
		"Add": func() { tally.Add("received", 1) }, "Observe": func() { tally.Observe("deliver", time.Millisecond) },
		"ObserveN": func() { tally.ObserveN("deliver", time.Second, 100) }, "Gauge": func() { tally.Gauge("connections", 5) },
	} {
		if got := testing.AllocsPerRun(100, record); got != 0 {
			t.Errorf("%s: got %g allocations, want none", name, got)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	d := NewTally().Durations("deliver")
	b.ReportAllocs()
	for i := range b.N {
		d.Observe(time.Duration(i%100_000) * time.Microsecond)
	}
}

func BenchmarkObserveByName(b *testing.B) {
	tally := NewTally()
	b.ReportAllocs()
	for i := range b.N {
		tally.Observe("deliver", time.Duration(i%100_000)*time.Microsecond)
	}
}

func BenchmarkAdd(b *testing.B) {
	tally := NewTally()
	b.ReportAllocs()
	for b.Loop() {
		tally.Add("received", 1)
	}
}

// BenchmarkMerge is a second of a worker: counts, and two kinds of latency with 2,000 different values each.
func BenchmarkMerge(b *testing.B) {
	recorder, tally := NewRecorder(time.Now()), NewTally()
	b.ReportAllocs()
	for i := range b.N {
		b.StopTimer()
		fill(tally)
		b.StartTimer()
		recorder.Merge(time.Duration(i/4%3600)*time.Second, tally)
	}
}

// BenchmarkMarshal is the way of such a second to a coordinator.
func BenchmarkMarshal(b *testing.B) {
	tally := NewTally()
	fill(tally)
	b.ReportAllocs()
	for b.Loop() {
		data, err := json.Marshal(tally)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(data)), "bytes")
	}
}

func fill(tally *Tally) {
	for i := range 20 {
		tally.Add(fmt.Sprint("count ", i), 1)
	}
	for i := range 2000 {
		tally.Observe("deliver", time.Duration(i)*37*time.Microsecond)
		tally.Observe("ack", time.Duration(i)*11*time.Microsecond)
	}
}
