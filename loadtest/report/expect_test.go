package report

import (
	"slices"
	"strings"
	"testing"
)

// known are the figures of a run that the expectations of these tests name.
func known() []Figure {
	return append(LatencyPrototypes("deliver", "deliver", "ack"),
		Figure{Name: "lost", Better: Less}, Figure{Name: "rate", Unit: UnitRate, Better: More},
		Figure{Name: "memory", Unit: UnitBytes, Better: Less}, Figure{Name: "cpu", Unit: UnitRatio, Better: Less},
		Figure{Name: "connections"})
}

func TestExpectationsAreRead(t *testing.T) {
	for text, want := range map[string][]Expectation{
		"":                    nil,
		"p99=50ms":            {{Text: "p99=50ms", Name: "p99", Op: "=", Value: 0.05}},
		" p99 <= 1.5s ,":      {{Text: "p99 <= 1.5s", Name: "p99", Op: "<=", Value: 1.5}},
		"lost=0,rate>=1k":     {{Text: "lost=0", Name: "lost", Op: "="}, {Text: "rate>=1k", Name: "rate", Op: ">=", Value: 1000}},
		"rate>2.5k/s":         {{Text: "rate>2.5k/s", Name: "rate", Op: ">", Value: 2500}},
		"rate>300/s":          {{Text: "rate>300/s", Name: "rate", Op: ">", Value: 300}},
		"memory<10MiB":        {{Text: "memory<10MiB", Name: "memory", Op: "<", Value: 10 << 20}},
		"memory<10MB":         {{Text: "memory<10MB", Name: "memory", Op: "<", Value: 10e6}},
		"cpu<=80%":            {{Text: "cpu<=80%", Name: "cpu", Op: "<=", Value: 0.8}},
		"connections=15k":     {{Text: "connections=15k", Name: "connections", Op: "=", Value: 15000}},
		"ack.p999=2m,max<10s": {{Text: "ack.p999=2m", Name: "ack.p999", Op: "=", Value: 120}, {Text: "max<10s", Name: "max", Op: "<", Value: 10}},
	} {
		if got, err := ParseExpectations(text, known()); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %+v and the error %v, want %+v", text, got, err, want)
		}
	}
}

func TestExpectationsThatMeanNothingAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"p99":                `expectation "p99": want NAME, one of = <= >= < >, and a value`,
		"p98=1s":             `there is no figure "p98", only p50, p90, p99, p999, max, deliver.p50`,
		"=1s":                `there is no figure ""`,
		"p99=50":             `"50" is no duration with a unit, like 50ms or 1.5s`,
		"p99==50ms":          `"=50ms" is no duration`,
		"p99=>50ms":          `">50ms" is no duration`,
		"rate>=fast":         `"fast" is no rate, like 1000 or 1k`,
		"lost=50ms":          `"50ms" is no number`,
		"lost=NaN":           `"NaN" is no number`,
		"lost=":              `"" is no number`,
		"memory<10Mib":       `"10Mib" is no size, like 10MiB`,
		"cpu<80ms":           `"80ms" is no ratio, like 80%`,
		"lost=0,memory<-inf": `"-inf" is no size`,
	} {
		if got, err := ParseExpectations(text, known()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v and the error %v, want one with %q", text, got, err, want)
		}
	}
}

func TestFiguresAreJudged(t *testing.T) {
	report := &Report{Figures: append(
		LatencyFigures(Totals{Latencies: map[string]Latency{"deliver": {Count: 9, P50: 0.001, P99: 0.05, Max: 0.0513}}}, "deliver", "deliver", "ack"),
		Figure{Name: "lost", Value: 3, Better: Less}, Figure{Name: "rate", Value: 12345, Unit: UnitRate, Better: More},
		Figure{Name: "connections", Value: 15000})}
	for _, c := range []struct {
		text   string
		ok     bool
		detail string
	}{
		{"p99=50ms", true, "p99 is 50 ms, want at most 50 ms"},
		{"p99<50ms", false, "p99 is 50 ms, want less than 50 ms"},
		{"deliver.max=51ms", false, "deliver.max is 51.3 ms, want at most 51 ms"},
		{"lost=0", false, "lost is 3, want at most 0"},
		{"lost=5", true, "lost is 3, want at most 5"},
		{"lost>2", true, "lost is 3, want more than 2"},
		{"rate=10k", true, "rate is 12,345/s, want at least 10,000/s"},
		{"rate>=20k", false, "rate is 12,345/s, want at least 20,000/s"},
		{"connections=15k", true, "connections is 15,000, want exactly 15,000"},
		{"connections=15001", false, "connections is 15,000, want exactly 15,001"},
		{"ack.p99=50ms", false, "the run has not given ack.p99: there were no samples"},
	} {
		expectations, err := ParseExpectations(c.text, known())
		if err != nil {
			t.Errorf("%s: got the error %v, want none", c.text, err)
			continue
		}
		if got, want := Judge(report, expectations), (Check{Name: c.text, OK: c.ok, Detail: c.detail}); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %+v, want %+v", c.text, got, want)
		}
	}
}

func TestValuesAreWrittenForPeople(t *testing.T) {
	for _, c := range []struct {
		value float64
		unit  string
		want  string
	}{
		{0, UnitSeconds, "0 µs"},
		{3.5e-7, UnitSeconds, "0.35 µs"},
		{0.0483, UnitSeconds, "48.3 ms"},
		{0.9999, UnitSeconds, "1 s"},
		{0.123456, UnitSeconds, "123 ms"},
		{90, UnitSeconds, "1.5 min"},
		{7200, UnitSeconds, "2 h"},
		{-0.5, UnitSeconds, "-500 ms"},
		{512, UnitBytes, "512 B"},
		{1.5 * (1 << 30), UnitBytes, "1.5 GiB"},
		{1023.9, UnitBytes, "1 KiB"},
		{0.7949, UnitRatio, "79.5 %"},
		{1.35, UnitRatio, "135 %"},
		{0.00012, UnitRatio, "0.012 %"},
		{123456.4, UnitRate, "123,456/s"},
		{0.51234, UnitRate, "0.512/s"},
		{99.96, UnitRate, "100/s"},
		{0, UnitCount, "0"},
		{1234567, UnitCount, "1,234,567"},
		{-1234, UnitCount, "-1,234"},
		{3, UnitCount, "3"},
	} {
		if got := FormatValue(c.value, c.unit); got != c.want {
			t.Errorf("%g in %q: got %q, want %q", c.value, c.unit, got, c.want)
		}
	}
}
