package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Expectation is what a figure has to be.
type Expectation struct {
	// Text is how it was written.
	Text string
	// Name is the figure's.
	Name string
	// Op is one of = <= >= < >. With = a figure that is better when it is less has to be
	// at most the value, one that is better when it is more at least; others just that.
	Op string
	// Value is in the figure's unit.
	Value float64
}

// operators in the order in which they are looked for: none hides a longer one.
var operators = []string{"<=", ">=", "<", ">", "="}

// ParseExpectations reads a list like "p99=50ms,lost=0,rate>=1k,memory<1GiB,cpu<80%". Known are the
// figures that the run can give; of them Name and Unit are read. Durations need a unit (50ms,
// 1.5s, 2m); numbers may have k or M behind them, bytes kB, MB, GB, KiB, MiB or GiB,
// ratios %, rates /s. An error says which part is wrong, and what would be right.
func ParseExpectations(text string, known []Figure) ([]Expectation, error) {
	var expectations []Expectation
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		expectation, err := parseExpectation(part, known)
		if err != nil {
			return nil, fmt.Errorf("expectation %q: %w", part, err)
		}
		expectations = append(expectations, expectation)
	}
	return expectations, nil
}

func parseExpectation(part string, known []Figure) (Expectation, error) {
	at := strings.IndexAny(part, "<>=")
	if at < 0 {
		return Expectation{}, fmt.Errorf("want NAME, one of = <= >= < >, and a value, like p99=50ms")
	}
	e := Expectation{Text: part, Name: strings.TrimSpace(part[:at])}
	for _, op := range operators {
		if strings.HasPrefix(part[at:], op) {
			e.Op = op
			break
		}
	}
	i := slices.IndexFunc(known, func(f Figure) bool { return f.Name == e.Name })
	if i < 0 {
		return Expectation{}, fmt.Errorf("there is no figure %q, only %s", e.Name, strings.Join(names(known), ", "))
	}
	var err error
	e.Value, err = parseValue(strings.TrimSpace(part[at+len(e.Op):]), known[i].Unit)
	return e, err
}

func names(figures []Figure) []string {
	var names []string
	for _, f := range figures {
		if !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// suffixes of the values of each unit, the longer ones before what they end in.
var suffixes = map[string][]suffix{
	UnitBytes: {
		{"KiB", 1 << 10},
		{"MiB", 1 << 20},
		{"GiB", 1 << 30},
		{"kB", 1e3},
		{"MB", 1e6},
		{"GB", 1e9},
		{"B", 1},
	},
	UnitRate:  {{"k/s", 1e3}, {"M/s", 1e6}, {"/s", 1}, {"k", 1e3}, {"M", 1e6}},
	UnitRatio: {{"%", 0.01}},
	UnitCount: {{"k", 1e3}, {"M", 1e6}},
}

type suffix struct {
	text   string
	factor float64
}

// parseValue gives a value in the figure's unit.
func parseValue(text, unit string) (float64, error) {
	if unit == UnitSeconds {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, fmt.Errorf("%q is no duration with a unit, like 50ms or 1.5s", text)
		}
		return d.Seconds(), nil
	}
	number, factor := text, 1.0
	for _, s := range suffixes[unit] {
		if before, ok := strings.CutSuffix(text, s.text); ok {
			number, factor = strings.TrimSpace(before), s.factor
			break
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return 0, fmt.Errorf("%q is no %s", text, kindOf[unit])
	}
	return value * factor, nil
}

// kindOf says what a value of a unit looks like.
var kindOf = map[string]string{
	UnitBytes: "size, like 10MiB", UnitRate: "rate, like 1000 or 1k", UnitRatio: "ratio, like 80% or 0.8", UnitCount: "number, like 0 or 100k",
}

// Judge says of each expectation whether the figure is as expected, in their order. A
// figure that the run has not given fails it.
func Judge(report *Report, expectations []Expectation) []Check {
	checks := make([]Check, 0, len(expectations))
	for _, e := range expectations {
		i := slices.IndexFunc(report.Figures, func(f Figure) bool { return f.Name == e.Name })
		if i < 0 {
			checks = append(checks, Check{Name: e.Text, Detail: "the run has not given " + e.Name + ": there were no samples"})
			continue
		}
		f := report.Figures[i]
		op := e.against(f.Better)
		checks = append(checks, Check{
			Name: e.Text, OK: holds(f.Value, op, e.Value),
			Detail: fmt.Sprintf("%s is %s, want %s %s", e.Name, FormatValue(f.Value, f.Unit), wanted[op], FormatValue(e.Value, f.Unit)),
		})
	}
	return checks
}

// against is the operator that is meant, of a figure that is better there.
func (e Expectation) against(better Direction) string {
	switch {
	case e.Op == "=" && better == Less:
		return "<="
	case e.Op == "=" && better == More:
		return ">="
	}
	return e.Op
}

var wanted = map[string]string{"=": "exactly", "<=": "at most", ">=": "at least", "<": "less than", ">": "more than"}

func holds(value float64, op string, bound float64) bool {
	switch op {
	case "<=":
		return value <= bound
	case ">=":
		return value >= bound
	case "<":
		return value < bound
	case ">":
		return value > bound
	}
	return value == bound
}
