package scenario

import (
	"slices"
	"strings"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/crowd"
	"github.com/breakwater-chat/breakwater/loadtest/report"
)

// kinds of latencies, in the order in which they are shown.
var kinds = []string{crowd.Ack, crowd.Join, crowd.Back, searched, paged, crowd.Late}

// counted are the figures that are sums over the run. They are there when they are 0, too.
var counted = []report.Figure{
	{Name: crowd.Lost, Better: report.Less, Help: "messages that a member was not told, nor told missing"},
	{Name: crowd.Doubled, Better: report.Less, Help: "messages that a member was told twice"},
	{Name: crowd.Disordered, Better: report.Less, Help: "messages out of order, or elsewhere than acked or than others got them"},
	{Name: crowd.Damaged, Better: report.Less, Help: "messages that are not as they were sent"},
	{Name: crowd.Sent, Help: "messages that were sent"},
	{Name: crowd.Acked, Help: "messages that were acked"},
	{Name: crowd.Unanswered, Better: report.Less, Help: "messages neither acked nor refused until the end"},
	{Name: crowd.Received, Help: "messages that members received live"},
	{Name: crowd.Gapped, Better: report.Less, Help: "messages that members were told missing"},
	{Name: crowd.Closed, Help: "connections that ended"},
	{Name: crowd.Back, Help: "members who came back"},
	{Name: crowd.Reset, Better: report.Less, Help: "members who came back and could not go on where they were"},
}

// derived are the figures that are computed, without their values.
var derived = []report.Figure{
	{Name: "rate", Unit: report.UnitRate, Better: report.More, Help: "live messages received a second, under load"},
	{Name: "sends", Unit: report.UnitRate, Better: report.More, Help: "messages sent a second, under load"},
	{Name: "errors", Better: report.Less, Help: "refusals and connections that ended by themselves"},
	{Name: "away", Better: report.Less, Help: "members who were not in their rooms at the end"},
	{Name: "generator_cpu", Unit: report.UnitSeconds, Better: report.Less, Help: "CPU time of the generator a message received, under load"},
	{Name: "server_cpu", Unit: report.UnitSeconds, Better: report.Less, Help: "CPU time of the servers a message received, under load"},
	{Name: "generator_memory", Unit: report.UnitBytes, Better: report.Less, Help: "memory of the generator at the end"},
	{Name: "server_memory", Unit: report.UnitBytes, Better: report.Less, Help: "memory of the servers at the end"},
	{Name: "busy", Unit: report.UnitRatio, Better: report.Less, Help: "of its time under load the generator worked; near to 100 % it is the bottleneck"},
	{Name: "p99_drift", Unit: report.UnitRatio, Better: report.Less, Help: "the p99 of the last tenth of the load to that of the first"},
	{Name: "memory_drift", Unit: report.UnitRatio, Better: report.Less, Help: "the memory of the servers in the last tenth of the load to that in the first"},
}

// Prototypes are all figures that a run can give, without values: what expectations may name.
func Prototypes() []report.Figure {
	return slices.Concat(report.LatencyPrototypes(crowd.Deliver, kinds...), counted, derived)
}

// figures sums a run up. Figures without samples are left out.
func (r *run) figures(of *report.Report) []report.Figure {
	list := report.LatencyFigures(of.Totals, crowd.Deliver, kinds...)
	for _, f := range counted {
		f.Value = float64(of.Totals.Counts[f.Name])
		list = append(list, f)
	}
	values := map[string]float64{"errors": errorsOf(of.Totals.Counts), "away": float64(r.outcome.Away)}
	ratio := func(name string, a, b float64) {
		if a > 0 && b > 0 {
			values[name] = a / b
		}
	}
	received := float64(of.Totals.Counts[crowd.Received])
	seconds := r.outcome.Load.Seconds() / float64(max(1, r.parts))
	ratio("rate", received, seconds)
	ratio("sends", float64(of.Totals.Counts[crowd.Sent]), seconds)
	ratio("generator_cpu", r.outcome.CPU.Seconds(), received)
	ratio("server_cpu", r.servers.cpu.Seconds(), received)
	ratio("generator_memory", r.outcome.Memory, 1)
	ratio("server_memory", r.servers.memory, 1)
	ratio("busy", r.outcome.Busy.Seconds(), r.outcome.Load.Seconds())
	first, last := tenths(of)
	ratio("p99_drift", mean(last, p99), mean(first, p99))
	ratio("memory_drift", mean(last, memory), mean(first, memory))
	for _, f := range derived {
		if value, ok := values[f.Name]; ok {
			f.Value = value
			list = append(list, f)
		}
	}
	return list
}

func errorsOf(counts map[string]int64) (sum float64) {
	for name, n := range counts {
		if strings.HasPrefix(name, crowd.ErrorPrefix) {
			sum += float64(n)
		}
	}
	return sum
}

// tenths are the first and the last tenth of the seconds under load, of those that were
// under load as a whole; there are none of a run shorter than ten of them.
func tenths(r *report.Report) (first, last []report.Point) {
	begin, end := time.Duration(-1), time.Duration(-1)
	for _, m := range r.Marks {
		switch m.Name {
		case pointGathered:
			begin = m.At
		case pointSaid:
			end = m.At
		}
	}
	var loaded []report.Point
	for _, p := range r.Points {
		if begin >= 0 && p.At >= begin && p.At+time.Second <= end {
			loaded = append(loaded, p)
		}
	}
	n := len(loaded) / 10
	return loaded[:n], loaded[len(loaded)-n:]
}

func mean(points []report.Point, of func(report.Point) float64) float64 {
	sum := 0.0
	for _, p := range points {
		sum += of(p)
	}
	return sum / float64(max(1, len(points)))
}

func p99(p report.Point) float64    { return p.Latencies[crowd.Deliver].P99 }
func memory(p report.Point) float64 { return p.Gauges[serverMemory] }

// Promises are what every run is held to, whatever else is expected of it.
const Promises = "lost=0,doubled=0,disordered=0,damaged=0"

// Bounds beyond which a run says more of the generator than of the server.
const (
	tooLate = 0.05 // seconds, of 99 of 100 sends
	tooBusy = 0.9
)

// Warning says how the generator was the bottleneck of a run; it is empty if it was not.
func Warning(r *report.Report) string {
	value := func(name string) float64 {
		for _, f := range r.Figures {
			if f.Name == name {
				return f.Value
			}
		}
		return 0
	}
	if late := value(crowd.Late + ".p99"); late > tooLate {
		return "the generator was late with its sends (p99 " + report.FormatValue(late, report.UnitSeconds) + "), which is in its latencies: take more workers, or less load"
	}
	if busy := value("busy"); busy > tooBusy {
		return "the generator worked for " + report.FormatValue(busy, report.UnitRatio) + " of the time: the figures are its own limits; take more workers"
	}
	return ""
}
