package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// storm is a report as a drill gives it: two minutes with 15,000 connections, a server
// killed at 40 s, Redis paused from 80 s to 90 s.
func storm() *Report {
	report := &Report{
		Title: "drill server-kill", Command: []string{"breakwater", "drill", "server-kill", "--seed", "7", "--expect", "p99=250ms,lost=0,rate>=100"},
		Version: "v1.3.0-4-g87e4341", Target: "http://127.0.0.1:8080/", Seed: 7,
		Started: time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC), Elapsed: 120*time.Second + 300*time.Millisecond,
		Parameters: []Parameter{{"connections", "15000"}, {"rooms", "15"}, {"rate", "1000/s"}, {"duration", "2m0s"}, {"servers", "3"}},
		Marks: []Mark{
			{Name: "kill server-2", At: 40 * time.Second, Until: 47 * time.Second},
			{Name: "server-2 is back", At: 62 * time.Second},
			{Name: "pause redis", At: 80 * time.Second, Until: 90 * time.Second},
		},
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 121 {
		report.Points = append(report.Points, stormSecond(i, random))
	}
	finish(report)
	return report
}

// stormSecond is a second of the storm, its faults in it.
func stormSecond(i int, random *rand.Rand) Point {
	up := min(1, float64(i+1)/15)
	killed, paused := i >= 40 && i < 47, i >= 80 && i < 90
	trouble := 1.0
	if killed || paused {
		trouble = 30
	}
	noise := func(v float64) float64 { return v * (0.95 + random.Float64()/10) }
	counts := map[string]int64{"sent": int64(noise(1000 * up)), "acked": int64(noise(995 * up)), "received": int64(noise(998_000 * up * up))}
	gauges := map[string]float64{
		"connections": 15000 * up, "cpu generator": noise(0.86 * up), "cpu server-1": noise(0.5 * up),
		"memory generator": 4e8 + 9e6*float64(i), "memory server-1": noise(9e8 * up), "rooms": 15, "queue": noise(3 * trouble * trouble),
	}
	if i < 15 {
		counts["joined"] = 1000
	}
	if killed {
		gauges["connections"] = 10000 + 700*float64(i-40)
		counts["closed"], counts["joined"] = map[bool]int64{true: 5000}[i == 40], 714
		counts["error connection refused"], counts["error 4100"] = int64(40*(47-i)), int64(i-40)
		counts["received"] = counts["received"] * 2 / 3
	}
	if paused {
		counts["error unavailable"] = int64(noise(900))
		counts["acked"], counts["received"] = 0, 0
	}
	point := Point{At: time.Duration(i) * time.Second, Counts: counts, Gauges: gauges}
	if !paused {
		point.Latencies = map[string]Latency{
			"deliver": around(noise(0.004*trouble), counts["received"]), "ack": around(noise(0.0021*trouble), counts["acked"]),
		}
	}
	if counts["joined"] > 0 {
		point.Latencies["join"] = around(noise(0.03*trouble), counts["joined"])
	}
	return point
}

// around is a latency with the median and a long tail.
func around(p50 float64, count int64) Latency {
	return Latency{Count: count, P50: p50, P90: p50 * 1.8, P99: p50 * 4.5, P999: p50 * 11, Max: p50 * 25}
}

// soak is an hour without faults but one short one.
func soak() *Report {
	report := &Report{
		Title: "loadtest soak", Command: []string{"breakwater", "loadtest", "soak", "--for", "1h"}, Version: "v1.3.0", Target: "https://chat.example.org/",
		Started: time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC), Elapsed: time.Hour, Parameters: []Parameter{{"connections", "2000"}},
		Marks: []Mark{{Name: "drain server-1", At: 1800 * time.Second, Until: 1840 * time.Second}},
	}
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 3600 {
		wave := 1 + 0.3*math.Sin(float64(i)/300)
		sent := int64(200 * wave * (0.9 + random.Float64()/5))
		point := Point{
			At: time.Duration(i) * time.Second, Counts: map[string]int64{"sent": sent, "acked": sent, "received": sent * 100},
			Gauges:    map[string]float64{"connections": 2000, "cpu": 0.2 * wave, "memory": 1e8 + 1e4*float64(i), "memory server": 3e8 + 2e4*float64(i%600)},
			Latencies: map[string]Latency{"deliver": around(0.0012*wave*(0.9+random.Float64()/5), sent*100)},
		}
		if i == 2222 {
			point.Latencies["deliver"] = Latency{Count: 5, P50: 0.002, P90: 0.003, P99: 0.4, P999: 2.5, Max: 2.5}
			point.Counts["error timeout"] = 7
		}
		report.Points = append(report.Points, point)
	}
	finish(report)
	return report
}

// finish sums the points up, roughly, and judges them.
func finish(report *Report) {
	totals := Totals{Counts: map[string]int64{}, Latencies: map[string]Latency{}}
	for _, point := range report.Points {
		for name, n := range point.Counts {
			totals.Counts[name] += n
		}
		for name, l := range point.Latencies {
			sum := totals.Latencies[name]
			sum.Count += l.Count
			sum.P50, sum.P90, sum.P99 = max(sum.P50, l.P50), max(sum.P90, l.P90), max(sum.P99, l.P99)
			sum.P999, sum.Max = max(sum.P999, l.P999), max(sum.Max, l.Max)
			totals.Latencies[name] = sum
		}
		totals.Gauges = point.Gauges
	}
	report.Totals = totals
	report.Figures = append([]Figure{
		{Name: "lost", Value: 0, Better: Less, Help: "acknowledged and not delivered"},
		{Name: "doubled", Value: 3, Better: Less, Help: "delivered more than once"},
		{Name: "rate", Value: float64(totals.Counts["acked"]) / report.Elapsed.Seconds(), Unit: UnitRate, Better: More, Help: "acknowledged in a second"},
		{Name: "memory", Value: 1.48e9, Unit: UnitBytes, Better: Less, Help: "of the generator, at most"},
	}, LatencyFigures(totals, "deliver", "deliver", "ack", "join")...)
	expectations, err := ParseExpectations("p99=250ms,lost=0,rate>=100", append(report.Figures, Figure{Name: "cpu", Unit: UnitRatio}))
	if err != nil {
		panic(fmt.Sprint("the expectations of a synthetic report: ", err))
	}
	report.Checks = append(Judge(report, expectations), Check{
		Name: "no message is delivered twice", Detail: "3 messages came twice\n" +
			"room 4 epoch 1790000000123 seq 1811 id m-991: to user-77 at 41.203 s and 43.871 s\n" +
			"room 4 epoch 1790000000123 seq 1812 id m-994: to user-77 at 41.207 s and 43.871 s\n" +
			"room 9 epoch 1790000000125 seq 702 id m-1020: to user-1204 at 42.100 s and 44.002 s",
	}, Check{Name: "every acked message is in the history", OK: true, Detail: "118,204 of 118,204 found"})
}
