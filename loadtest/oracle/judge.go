package oracle

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Options say how much a verdict tells. Zeros are replaced by the defaults.
type Options struct {
	// MaxPerRule bounds the violations that are told of one rule; 10 by default.
	MaxPerRule int
	// Before and After are how many events of the history are shown around a broken
	// one; 5 and 3 by default.
	Before, After int
}

// Violation is a promise that was broken.
type Violation struct {
	Rule Rule
	// Event is the index, in the history sorted by time, of the first broken event,
	// and At its time.
	Event int
	At    time.Duration
	// Message says what is wrong, in one line.
	Message string
	// Context is the history around the event, one line an event.
	Context []string
}

// Unjudged is a rule that the history has no facts for.
type Unjudged struct {
	Rule Rule
	Why  string
}

// Verdict is what a history was found to be.
type Verdict struct {
	// Violations are in the order of their events.
	Violations []Violation
	// More counts the violations of a rule that are not told.
	More      map[Rule]int
	Judged    []Rule
	NotJudged []Unjudged
}

// OK tells that no rule that was judged is broken. What was not judged is in NotJudged.
func (v Verdict) OK() bool { return len(v.Violations) == 0 }

// Judge holds a history against the promises. It changes nothing and keeps nothing.
func Judge(h History, o Options) Verdict { return judge(h, o, checks()) }

func judge(h History, o Options, by []check) Verdict {
	o.MaxPerRule = cmp.Or(o.MaxPerRule, 10)
	o.Before, o.After = cmp.Or(o.Before, 5), cmp.Or(o.After, 3)
	f := collect(h)
	v := Verdict{More: map[Rule]int{}}
	var told []finding
	for _, c := range by {
		if why := c.lacks(f); why != "" {
			v.NotJudged = append(v.NotJudged, Unjudged{c.rule, why})
			continue
		}
		v.Judged = append(v.Judged, c.rule)
		var broken []finding
		c.judge(f, func(x finding) {
			x.rule = c.rule
			broken = append(broken, x)
		})
		slices.SortStableFunc(broken, compareFindings)
		if n := len(broken) - o.MaxPerRule; n > 0 {
			v.More[c.rule] = n
			broken = broken[:o.MaxPerRule]
		}
		told = append(told, broken...)
	}
	slices.SortStableFunc(told, compareFindings)
	for _, x := range told {
		v.Violations = append(v.Violations, Violation{x.rule, x.event, f.events[x.event].At, x.text, f.around(x, o.Before, o.After)})
	}
	return v
}

func compareFindings(a, b finding) int {
	return cmp.Or(cmp.Compare(a.event, b.event), cmp.Compare(a.rule, b.rule), cmp.Compare(a.text, b.text))
}

// String is the verdict for a reader, the first broken event first.
func (v Verdict) String() string {
	var b strings.Builder
	if len(v.Violations) == 0 {
		fmt.Fprintf(&b, "no promise is broken; %d rules were judged\n", len(v.Judged))
	}
	for _, x := range v.Violations {
		fmt.Fprintf(&b, "%s\n", x)
	}
	for _, rule := range slices.Sorted(maps.Keys(v.More)) {
		fmt.Fprintf(&b, "%s: %d more\n", rule, v.More[rule])
	}
	for _, u := range v.NotJudged {
		fmt.Fprintf(&b, "%s: not judged: %s\n", u.Rule, u.Why)
	}
	return b.String()
}

// String is the violation and the history around it.
func (x Violation) String() string {
	return fmt.Sprintf("%s at %s: %s\n  %s", x.Rule, clock(x.At), x.Message, strings.Join(x.Context, "\n  "))
}
