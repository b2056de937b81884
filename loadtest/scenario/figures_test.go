package scenario

import (
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/crowd"
	"github.com/breakwater-chat/breakwater/loadtest/report"
)

// value is that of a figure; ok is false if there is none.
func value(figures []report.Figure, name string) (v float64, ok bool) {
	for _, f := range figures {
		if f.Name == name {
			return f.Value, true
		}
	}
	return 0, false
}

func TestFiguresAreOfTheLoadAlone(t *testing.T) {
	r := &run{
		parts: 2, outcome: Outcome{Load: 20 * time.Second, Busy: 5 * time.Second, CPU: 4 * time.Second, Memory: 1 << 20, Away: 3},
		servers: used{cpu: 8 * time.Second, memory: 2 << 20},
	}
	of := &report.Report{Totals: report.Totals{Counts: map[string]int64{
		crowd.Received: 1000, crowd.Sent: 50, crowd.ErrorPrefix + "eof": 2, crowd.ErrorPrefix + "refused": 5,
	}}}
	figures := r.figures(of)
	for name, want := range map[string]float64{
		"rate": 100, "sends": 5, "errors": 7, "away": 3, "generator_cpu": 0.004, "server_cpu": 0.008,
		"busy": 0.25, "lost": 0, "generator_memory": 1 << 20, "server_memory": 2 << 20,
	} {
		if got, ok := value(figures, name); !ok || got != want {
			t.Errorf("got %s %g (%t), want %g", name, got, ok, want)
		}
	}
	for _, name := range []string{"p99", "p99_drift", "memory_drift"} {
		if got, ok := value(figures, name); ok {
			t.Errorf("got %s %g, want none: there were no samples", name, got)
		}
	}
}

// TestDriftComparesTheTenths has a p99 and a memory that grow with the seconds, of which those
// before and behind the load do not count.
func TestDriftComparesTheTenths(t *testing.T) {
	of := &report.Report{Marks: []report.Mark{{Name: pointGathered, At: 5500 * time.Millisecond}, {Name: pointSaid, At: 26 * time.Second}}}
	for i := range 30 {
		n := float64(i)
		of.Points = append(of.Points, report.Point{
			At:     time.Duration(i) * time.Second,
			Gauges: map[string]float64{serverMemory: 100 * n}, Latencies: map[string]report.Latency{crowd.Deliver: {P99: n * n}},
		})
	}
	figures := (&run{}).figures(of)
	// Seconds 6 to 25 are whole: 6 and 7 against 24 and 25.
	for name, want := range map[string]float64{"memory_drift": 24.5 / 6.5, "p99_drift": (24*24 + 25*25) / (6*6 + 7*7.0)} {
		if got, _ := value(figures, name); got != want {
			t.Errorf("got %s %g, want %g", name, got, want)
		}
	}
}

func TestPromisesAreFigures(t *testing.T) {
	promised, err := report.ParseExpectations(Promises, Prototypes())
	if err != nil || len(promised) != 4 {
		t.Errorf("got %d promises (%v), want 4", len(promised), err)
	}
}

func TestABottleneckIsSaid(t *testing.T) {
	for _, test := range []struct {
		name, figure string
		value        float64
		want         bool
	}{
		{"late", "late.p99", 0.06, true},
		{"in time", "late.p99", 0.01, false},
		{"busy", "busy", 0.95, true},
		{"at leisure", "busy", 0.5, false},
	} {
		r := &report.Report{Figures: []report.Figure{{Name: test.figure, Value: test.value}}}
		if got := Warning(r); (got != "") != test.want {
			t.Errorf("%s: got the warning %q, want one: %t", test.name, got, test.want)
		}
	}
}
