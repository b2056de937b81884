package oracle

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// scenario is a history made by hand, and what has to be said about it: for each
// event the rules that it breaks.
type scenario struct {
	name    string
	history History
	broken  []mark
	// unjudged are the rules that the history must not be judged by; nil if that is
	// not looked at.
	unjudged []Rule
}

// mark is a rule that an event breaks.
type mark struct {
	event int
	rule  Rule
}

func (m mark) String() string { return fmt.Sprintf("%s at event %d", m.rule, m.event) }

// testBounds are small, so that a script's times are.
func testBounds() Bounds {
	return Bounds{
		Grace: time.Second, LossGrace: 10 * time.Second, ReturnGrace: 5 * time.Second, Skew: 100 * time.Millisecond,
		IDWindow: 5 * time.Minute, Playback: 5, PresenceNames: 3,
	}
}

// scenarios reads all scripts of testdata; its README says how they are written.
func scenarios(t testing.TB) (all []scenario) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d scripts and %v, want some", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(string(text), "\n") {
			if name, ok := strings.CutPrefix(line, "== "); ok {
				all = append(all, scenario{name: strings.TrimSuffix(filepath.Base(file), ".txt") + ": " + name})
				continue
			}
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if len(all) == 0 {
				t.Fatalf("%s:%d: a line before the first scenario", file, n+1)
			}
			if err := all[len(all)-1].add(line); err != nil {
				t.Fatalf("%s:%d: %q: %v", file, n+1, line, err)
			}
		}
	}
	return all
}

// add takes a line of a script: an event and the rules that it breaks.
func (s *scenario) add(line string) error {
	if rules, ok := strings.CutPrefix(line, "not judged:"); ok {
		s.unjudged = []Rule{}
		for _, rule := range strings.Fields(rules) {
			s.unjudged = append(s.unjudged, Rule(rule))
		}
		return nil
	}
	text, rules, _ := strings.Cut(line, "<-")
	for _, rule := range strings.Fields(rules) {
		s.broken = append(s.broken, mark{len(s.history), Rule(rule)})
	}
	e, err := parseLine(strings.Fields(text))
	s.history = append(s.history, e)
	return err
}

func parseLine(words []string) (e Event, err error) {
	if len(words) < 2 {
		return e, fmt.Errorf("want a time and an event")
	}
	seconds, err := strconv.ParseFloat(words[0], 64)
	if err != nil {
		return e, err
	}
	e.At = time.Duration(seconds*1000) * time.Millisecond
	if client, conn, ok := strings.Cut(words[1], "/"); ok {
		e.Client = client
		if e.Conn, err = strconv.Atoi(conn); err != nil {
			return e, err
		}
		words = words[1:]
	}
	e.Kind = Kind(words[1])
	return e, fill(&e, words[2:])
}

// fill takes the words behind an event's kind.
func fill(e *Event, words []string) (err error) {
	owner, _, _ := strings.Cut(e.Client, ".")
	switch e.Kind {
	case Connected, Sent:
		e.User = owner
	case Run:
		bounds := testBounds()
		e.Bounds = &bounds
	}
	for len(words) > 0 {
		n := 1
		switch word := words[0]; {
		case word == "recovered" || word == "duplicate":
			e.Recovered, e.Duplicate = word == "recovered", word == "duplicate"
		case len(words) > 1 && slices.Contains([]string{"on", "as", "code", "since", "asked", "epoch", "text"}, word):
			n = 2
			err = option(e, word, words[1])
		default:
			err = plain(e, word)
		}
		if err != nil {
			return err
		}
		words = words[n:]
	}
	if e.Kind == Sent && e.Text == "" {
		e.Text = "text of " + e.ID
	}
	return nil
}

func option(e *Event, name, value string) (err error) {
	switch name {
	case "on":
		e.Server = value
	case "as":
		e.User = value
	case "text":
		e.Text = value
	case "code":
		e.Code = value
	case "since":
		e.Since, err = strconv.ParseInt(value, 10, 64)
	case "epoch":
		e.Epoch, err = strconv.ParseInt(value, 10, 64)
	case "asked":
		var seconds float64
		seconds, err = strconv.ParseFloat(value, 64)
		e.Asked = time.Duration(seconds*1000) * time.Millisecond
	}
	return err
}

// plain takes a word without a name: a room, a range, a place, a message, an id or a name.
func plain(e *Event, word string) (err error) {
	place, message, isMessage := strings.Cut(word, "=")
	epoch, seq, isPlace := strings.Cut(place, ":")
	first, last, isRange := strings.Cut(word, "..")
	switch {
	case isPlace:
		var m Message
		if m.Epoch, err = strconv.ParseInt(epoch, 10, 64); err != nil {
			return err
		}
		if m.Seq, err = strconv.ParseInt(seq, 10, 64); err != nil {
			return err
		}
		if isMessage {
			parts := strings.SplitN(message+"//", "/", 4)
			m.ID, m.User, m.Text = parts[0], parts[1], parts[2]
			if m.Text == "" {
				m.Text = "text of " + m.ID
			}
		}
		if e.Kind == Joined && isMessage || e.Kind == Fetched {
			e.Messages = append(e.Messages, m)
			return nil
		}
		e.Epoch, e.Seq = m.Epoch, m.Seq
		if isMessage {
			e.ID, e.User, e.Text = m.ID, m.User, m.Text
		}
	case isRange:
		if e.From, err = strconv.ParseInt(first, 10, 64); err == nil {
			e.To, err = strconv.ParseInt(last, 10, 64)
		}
	case e.Room == 0 && e.Kind != Closed && e.Kind != Fault && e.Kind != Healed && e.Kind != Complete && e.Kind != Died:
		e.Room, err = strconv.ParseInt(word, 10, 64)
	case e.Kind == Closed || e.Kind == Refused && e.ID != "":
		e.Code = word
	case e.Kind == Died:
		e.Server = word
	case e.Kind == Membership:
		e.User = word
	case e.Kind == Complete || e.Kind == List || e.Kind == Came || e.Kind == Went || e.ID != "":
		e.Names = append(e.Names, word)
	default:
		e.ID = word
	}
	return err
}

func TestScenarios(t *testing.T) {
	all := scenarios(t)
	if len(all) < 40 {
		t.Errorf("got %d scenarios, want at least 40", len(all))
	}
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			v := Judge(s.history, Options{})
			if got := marks(v); !slices.Equal(got, s.broken) {
				t.Errorf("got broken %v, want %v\n%s", got, s.broken, v)
			}
			if s.unjudged != nil {
				got := []Rule{}
				for _, u := range v.NotJudged {
					got = append(got, u.Rule)
				}
				if !slices.Equal(got, s.unjudged) {
					t.Errorf("got not judged %v, want %v", got, s.unjudged)
				}
			}
		})
	}
}

// marks are what a verdict says, in the order of a script.
func marks(v Verdict) (all []mark) {
	for _, x := range v.Violations {
		all = append(all, mark{x.Event, x.Rule})
	}
	return all
}

// TestEveryRuleIsNeeded disables each rule in turn: there is a history that only this
// one rejects, so that without it the history passes.
func TestEveryRuleIsNeeded(t *testing.T) {
	all := scenarios(t)
	for _, c := range checks() {
		t.Run(string(c.rule), func(t *testing.T) {
			others := slices.DeleteFunc(checks(), func(o check) bool { return o.rule == c.rule })
			only := 0
			for _, s := range all {
				if len(s.broken) == 0 || slices.ContainsFunc(s.broken, func(m mark) bool { return m.rule != c.rule }) {
					continue
				}
				only++
				if v := judge(s.history, Options{}, others); !v.OK() {
					t.Errorf("%s: got %v without the rule, want nothing", s.name, marks(v))
				}
			}
			if only == 0 {
				t.Error("got no scenario that breaks this rule only, want one at least")
			}
		})
	}
}
