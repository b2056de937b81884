package deploy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exposed is what servers show: by metric, by label, the values.
type exposed map[string]map[string]map[string]bool

// add reads what a server shows at /metrics.
func (e exposed) add(text string) {
	for line := range strings.Lines(text) {
		name := regexp.MustCompile(`^[a-z_]+`).FindString(line)
		if name == "" {
			continue
		}
		if e[name] == nil {
			e[name] = map[string]map[string]bool{}
		}
		for _, pair := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(line, -1) {
			if e[name][pair[1]] == nil {
				e[name][pair[1]] = map[string]bool{}
			}
			e[name][pair[1]][pair[2]] = true
		}
	}
}

// Labels that Prometheus adds, and metrics that it makes itself.
var (
	addedLabels = []string{"instance", "job"}
	ownMetrics  = []string{"up"}
)

// complete are labels of which all values are shown from the start, at zero.
var complete = []string{"reason", "code", "result", "type", "source", "for"}

// token is a piece of PromQL: a string, a duration or number, a word, a sign.
var token = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\$?\d[\w.]*|\$?[A-Za-z_:][\w:]*|[=!<>]=|[=!]~|\S`)

var (
	word    = regexp.MustCompile(`^[A-Za-z_:][\w:]*$`)
	listing = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
	other   = []string{"and", "or", "unless", "offset", "bool", "inf", "nan"}
)

// checkExpression tells what in an expression there is not: metrics, labels,
// values of labels; or that brackets do not fit.
func checkExpression(e exposed, expression string) (mistakes []string) {
	complain := func(format string, args ...any) { mistakes = append(mistakes, fmt.Sprintf(format, args...)) }
	tokens := token.FindAllString(expression, -1)
	at := func(i int) string {
		if i < len(tokens) {
			return tokens[i]
		}
		return ""
	}
	var open []string
	labels := map[string]bool{} // of all metrics of the expression
	var listed []string
	metrics := 0
	for i := 0; i < len(tokens); i++ {
		switch t := tokens[i]; {
		case strings.Contains("([{", t):
			open = append(open, map[string]string{"(": ")", "[": "]", "{": "}"}[t])
		case strings.Contains(")]}", t):
			if len(open) == 0 || open[len(open)-1] != t {
				complain("the bracket %s closes nothing", t)
				return mistakes
			}
			open = open[:len(open)-1]
		case slices.Contains(listing, t) && at(i+1) == "(":
			for i += 2; at(i) != ")" && at(i) != ""; i++ {
				if at(i) != "," {
					listed = append(listed, at(i))
				}
			}
		case slices.Contains(other, t) || !word.MatchString(t) || len(open) > 0 && open[len(open)-1] == "]" || at(i+1) == "(":
			// a keyword, a number, a duration, a sign, a function
		case len(open) > 0 && open[len(open)-1] == "}":
			complain("%s stands where no metric or label can", t)
		case slices.Contains(listing, at(i+1)) && at(i+2) == "(":
			// an aggregation
		default:
			metrics++
			i = checkSelector(e, tokens, i, labels, complain)
		}
	}
	if len(open) > 0 || metrics == 0 {
		complain("%d brackets are open at the end, %d metrics", len(open), metrics)
	}
	for _, label := range listed {
		if !labels[label] {
			complain("no metric of it has the label %s", label)
		}
	}
	return mistakes
}

// checkSelector looks at a metric and what stands in braces behind it, notes its
// labels, and gives the place of its last token.
func checkSelector(e exposed, tokens []string, i int, labels map[string]bool, complain func(string, ...any)) int {
	name := tokens[i]
	has, ok := e[name]
	if !ok && !slices.Contains(ownMetrics, name) {
		complain("there is no metric %s", name)
	}
	known := append(slices.Collect(maps.Keys(has)), addedLabels...)
	for _, label := range known {
		labels[label] = true
	}
	if i+1 >= len(tokens) || tokens[i+1] != "{" {
		return i
	}
	for i += 2; i+2 < len(tokens) && tokens[i] != "}"; i += 3 {
		label, sign, value := tokens[i], tokens[i+1], strings.Trim(tokens[i+2], `"`)
		if !slices.Contains(known, label) {
			complain("%s has no label %s", name, label)
		}
		if !slices.Contains([]string{"=", "!=", "=~", "!~"}, sign) {
			complain("%s%s%s is no condition", label, sign, value)
		}
		if slices.Contains(complete, label) {
			for one := range strings.SplitSeq(value, "|") {
				if !has[label][one] {
					complain("%s never has %s %q", name, label, one)
				}
			}
		}
		if i+3 < len(tokens) && tokens[i+3] == "," {
			i++
		}
	}
	return i
}

// The check finds what it is there to find.
func TestCheckOfExpressions(t *testing.T) {
	e := exposed{}
	e.add("# HELP a_total All.\na_total{reason=\"full\"} 0\nb_seconds_bucket{le=\"1\"} 2\nc 3\n")
	for expression, want := range map[string]string{
		`sum by (reason) (rate(a_total{reason="full",job="x"}[$__rate_interval])) > 0.5 or c == 1`: "",
		`histogram_quantile(0.99, sum by (instance, le) (rate(b_seconds_bucket[5m]))) > 1`:         "",
		`absent(up{job="x"} == 1)`:  "",
		`rate(d_total[5m])`:         "no metric d_total",
		`c + dd`:                    "no metric dd",
		`c{code="1"}`:               "no label code",
		`a_total{reason="fill"}`:    `never has reason "fill"`,
		`a_total{reason=~"full|x"}`: `never has reason "x"`,
		`sum by (code) (c)`:         "has the label code",
		`sum(c`:                     "1 brackets",
		`sum(c]`:                    "closes nothing",
		`1 > 0`:                     "0 metrics",
	} {
		got := strings.Join(checkExpression(e, expression), "; ")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", expression, got, want)
		}
	}
}
