package report

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

// snapshot is one second of a storm, an error code of which is hostile.
func snapshot() Snapshot {
	return Snapshot{
		Elapsed: 42 * time.Second,
		Last: Point{
			Counts:    map[string]int64{"sent": 1000, "acked": 998, "received": 998123, "error timeout": 3},
			Gauges:    map[string]float64{"memory": 1 << 30, "cpu": 0.791, "connections": 15000},
			Latencies: map[string]Latency{"ack": {Count: 9, P50: 0.002, P90: 0.004, P99: 0.0123, P999: 0.02, Max: 0.025}},
		},
		Totals: Totals{Counts: map[string]int64{"sent": 42000, "acked": 41000, "received": 4e7, "joined": 15000, "error timeout": 1234, "error \x1b[2J": 1}},
	}
}

func TestProgressElsewhereIsALineEachTime(t *testing.T) {
	var out bytes.Buffer
	p := &Progress{out: &out, title: "loadtest storm", planned: 5 * time.Minute}
	p.Show(Snapshot{})
	p.Show(snapshot())
	checkText(t, out.String(), `
0:00 of 5:00
0:42 of 5:00  sent 1,000/s  acked 998/s  received 998,123/s  joined 0/s  ack p50 2 ms  p90 4 ms  p99 12.3 ms  max 25 ms  connections 15,000  cpu 79.1 %  memory 1 GiB  errors: �[2J 1, timeout 1,234 (+3)
`)
}

func TestProgressOnATerminalIsABlockThatIsRewritten(t *testing.T) {
	var out bytes.Buffer
	p := &Progress{out: &out, title: "loadtest storm", width: func() int { return 60 }, style: style{colour: true}}
	p.Show(snapshot())
	p.Show(Snapshot{Elapsed: time.Hour + 61*time.Second})
	checkText(t, strings.NewReplacer("\x1b", "ESC", "\r", "CR").Replace(out.String()), `
ESC[1mloadtest storm  0:42ESC[0m
  rates       sent 1,000/s  acked 998/s  received 998,123/…
  ack         p50 2 ms  p90 4 ms  p99 12.3 ms  max 25 ms
  levels      connections 15,000  cpu 79.1 %  memory 1 GiB
  errors      �[2J 1  timeout 1,234 (+3)
ESC[5ACRESC[JESC[1mloadtest storm  1:01:01ESC[0m
`)
}

func TestAFileIsNoTerminal(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p := NewProgress(file, "loadtest storm", 0, false)
	p.Show(snapshot())
	p.Show(snapshot())
	p.Finish(storm())
	got, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(got), "\x1b") {
		t.Errorf("got escape sequences in a file, want none: %q", got)
	}
}

func TestTheSummaryOfAFailedRun(t *testing.T) {
	report := storm()
	report.Figures = report.Figures[:7]
	report.Totals.Latencies = map[string]Latency{"deliver": {Count: 118_204_000, P50: 0.004, P90: 0.0071, P99: 0.6, P999: 1.2, Max: 3}, "ack": {Count: 2, Max: 1}}
	report.Totals.Counts = map[string]int64{"sent": 5, "error unavailable": 9012, "error 4100": 21}
	var out bytes.Buffer
	writeSummary(&out, report, style{})
	checkText(t, out.String(), `
drill server-kill FAILED in 2:00: 2 of 5 checks failed

figures
  lost            0  acknowledged and not delivered
  doubled         3  delivered more than once
  rate        856/s  acknowledged in a second
  memory   1.38 GiB  of the generator, at most
  p50        126 ms  deliver: half of them took at most this long
  p90        227 ms  deliver: nine of ten took at most this long
  p99        566 ms  deliver: 99 of 100 took at most this long

latencies
  deliver  118,204,000 samples  p50 4 ms  p90 7.1 ms  p99 600 ms  max 3 s
  ack                2 samples  p50 0 µs  p90 0 µs  p99 0 µs  max 1 s

errors
  4100            21
  unavailable  9,012

checks
  ok      lost=0                                 lost is 0, want at most 0
  ok      rate>=100                              rate is 856/s, want at least 100/s
  ok      every acked message is in the history  118,204 of 118,204 found
  FAILED  p99=250ms                              p99 is 566 ms, want at most 250 ms
  FAILED  no message is delivered twice          3 messages came twice
                                                 room 4 epoch 1790000000123 seq 1811 id m-991: to user-77 at 41.203 s and 43.871 s
                                                 room 4 epoch 1790000000123 seq 1812 id m-994: to user-77 at 41.207 s and 43.871 s
                                                 room 9 epoch 1790000000125 seq 702 id m-1020: to user-1204 at 42.100 s and 44.002 s
`)
}

func TestTheVerdict(t *testing.T) {
	held, failed := Check{Name: "a", OK: true}, Check{Name: "b"}
	for _, c := range []struct {
		report Report
		want   Verdict
		reason string
	}{
		{Report{}, Passed, "nothing was expected of it"},
		{Report{Checks: []Check{held}}, Passed, "1 check held"},
		{Report{Checks: []Check{held, failed}}, Failed, "1 of 2 checks failed"},
		{Report{Broken: "interrupted", Checks: []Check{held, failed}}, Broken, "interrupted; 1 of 2 checks failed"},
		{Report{Broken: "interrupted"}, Broken, "interrupted"},
	} {
		if got, reason := c.report.Verdict(), c.report.Reason(); got != c.want || reason != c.reason {
			t.Errorf("%+v: got %s because %q, want %s because %q", c.report, got, reason, c.want, c.reason)
		}
	}
}

func TestTheCommandIsQuotedForAShell(t *testing.T) {
	report := Report{Command: []string{"breakwater", "loadtest", "--expect", "p99<50ms", "--title", "it's", ""}}
	if got, want := report.shell(), `breakwater loadtest --expect 'p99<50ms' --title 'it'\''s' ''`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// checkText compares texts, of which want begins and ends with a newline of its own.
func checkText(t *testing.T, got, want string) {
	t.Helper()
	if want = strings.TrimPrefix(want, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
