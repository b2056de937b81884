package oracle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// lossy is a history in which many messages do not reach a member.
func lossy(n int) History {
	bounds := testBounds()
	h := History{
		{Kind: Run, Bounds: &bounds},
		{Kind: Connected, Client: "bob", Conn: 1, User: "bob"},
	}
	for room := range int64(n) {
		at := time.Duration(room) * time.Millisecond
		id := fmt.Sprint("m", room)
		h = append(h,
			Event{At: at, Kind: Joined, Client: "bob", Conn: 1, Room: room + 1, Epoch: 1},
			Event{At: at, Kind: Sent, Client: "web", User: "web", Room: room + 1, ID: id, Text: "hello"},
			Event{At: at, Kind: Acked, Client: "web", Room: room + 1, ID: id, Epoch: 1, Seq: 1})
	}
	return append(h, Event{At: time.Minute, Kind: End})
}

func TestAVerdictIsBounded(t *testing.T) {
	v := Judge(lossy(100), Options{MaxPerRule: 7})
	if len(v.Violations) != 7 || v.More[RuleLost] != 93 {
		t.Errorf("got %d violations and %d more, want 7 and 93", len(v.Violations), v.More[RuleLost])
	}
	if !slices.IsSortedFunc(v.Violations, func(a, b Violation) int { return a.Event - b.Event }) {
		t.Errorf("got %v, want the first broken event first", marks(v))
	}
	if want := "lost: 93 more\n"; !strings.Contains(v.String(), want) {
		t.Errorf("got %q, want it to hold %q", v.String(), want)
	}
	if v := Judge(lossy(100), Options{}); len(v.Violations) != 10 || v.More[RuleLost] != 90 {
		t.Errorf("got %d violations and %d more without options, want 10 and 90", len(v.Violations), v.More[RuleLost])
	}
}

func TestAViolationShowsTheHistoryAroundIt(t *testing.T) {
	v := Judge(lossy(3), Options{Before: 2, After: 1})
	if len(v.Violations) != 3 {
		t.Fatalf("got %v, want three", marks(v))
	}
	context := v.Violations[1].Context
	broken := slices.IndexFunc(context, func(line string) bool { return strings.HasPrefix(line, ">") })
	if broken != 2 || len(context) != 3 || !strings.Contains(context[broken], "web/0 acked room 2 at 1:1 id m1") || !strings.Contains(context[1], "bob/1 joined room 2") {
		t.Errorf("got\n%s\nwant two events of bob in room 2, and the ack marked", strings.Join(context, "\n"))
	}
}

// A verdict does not depend on the order in which events of different times are given,
// nor on that of maps.
func TestAVerdictIsTheSameEachTime(t *testing.T) {
	var h History
	for _, s := range scenarios(t) { // one history of all that is bad, a minute apart
		for _, e := range s.history {
			if e.Kind != Run && e.Kind != End {
				e.At += time.Duration(len(h)) * time.Minute
				h = append(h, e)
			}
		}
	}
	want := Judge(h, Options{}).String()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		shuffled := slices.Clone(h)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		before := slices.Clone(shuffled)
		if got := Judge(shuffled, Options{}).String(); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
		if !slices.EqualFunc(shuffled, before, func(a, b Event) bool { return same(&a, &b) }) {
			t.Fatal("got a history that Judge has changed, want it as it was")
		}
	}
}

func TestRulesAreJudgedOrNamed(t *testing.T) {
	for _, s := range scenarios(t) {
		v := Judge(s.history, Options{})
		if got := len(v.Judged) + len(v.NotJudged); got != len(checks()) {
			t.Errorf("%s: got %d rules judged or not, want all %d", s.name, got, len(checks()))
		}
		for _, u := range v.NotJudged {
			if u.Why == "" || !strings.Contains(v.String(), string(u.Rule)+": not judged: "+u.Why) {
				t.Errorf("%s: got %+v not told, want the rule and the reason in\n%s", s.name, u, v)
			}
		}
	}
}
