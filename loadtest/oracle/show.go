package oracle

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxShown bounds a text, and a list of names, in what a reader gets.
const maxShown = 40

// around is the history that matters for a finding: the events of its client and
// room, or of its message, with the broken one marked.
func (f *facts) around(x finding, before, after int) []string {
	line := func(mark string, i int) string {
		return fmt.Sprintf("%s %9s  %s", mark, clock(f.events[i].At), f.events[i].String())
	}
	var lines []string
	for i := x.event - 1; i >= 0 && before > 0; i-- {
		if f.concerns(x, i) {
			lines = append(lines, line(" ", i))
			before--
		}
	}
	slices.Reverse(lines)
	lines = append(lines, line(">", x.event))
	for i := x.event + 1; i < len(f.events) && after > 0; i++ {
		if f.concerns(x, i) {
			lines = append(lines, line(" ", i))
			after--
		}
	}
	return lines
}

func (f *facts) concerns(x finding, i int) bool {
	e := &f.events[i]
	switch {
	case e.Kind == Died || e.Kind == Fault || e.Kind == Healed:
		return true
	case x.client != "":
		return e.Client == x.client && (x.room == 0 || e.Room == 0 || e.Room == x.room)
	case x.id != "":
		return e.Room == x.room && e.ID == x.id
	case x.room != 0:
		return e.Room == x.room
	default:
		return true
	}
}

// clock shows a time since the run's start.
func clock(t time.Duration) string { return fmt.Sprintf("%.3fs", t.Seconds()) }

// String shows an event in a line, without its time.
func (e *Event) String() string {
	var b strings.Builder
	if e.Client != "" {
		fmt.Fprintf(&b, "%s/%d ", e.Client, e.Conn)
	}
	b.WriteString(string(e.Kind))
	if e.Room != 0 {
		fmt.Fprintf(&b, " room %d", e.Room)
	}
	switch e.Kind {
	case Acked, Joined, Received, Document:
		fmt.Fprintf(&b, " at %d:%d", e.Epoch, e.Seq)
	case Gap:
		fmt.Fprintf(&b, " epoch %d", e.Epoch)
	}
	if e.From != 0 || e.To != 0 {
		fmt.Fprintf(&b, " from %d to %d", e.From, e.To)
	}
	if e.Recovered {
		fmt.Fprintf(&b, " recovered since %d", e.Since)
	}
	for _, part := range []struct{ name, value string }{{"id", e.ID}, {"user", e.User}, {"server", e.Server}, {"code", e.Code}} {
		if part.value != "" {
			fmt.Fprintf(&b, " %s %s", part.name, part.value)
		}
	}
	if e.Text != "" {
		fmt.Fprintf(&b, " %q", shorten(e.Text))
	}
	if e.Duplicate {
		b.WriteString(" duplicate")
	}
	if n := len(e.Messages); n > 0 {
		fmt.Fprintf(&b, " with %d messages, %d:%d to %d:%d", n, e.Messages[0].Epoch, e.Messages[0].Seq, e.Messages[n-1].Epoch, e.Messages[n-1].Seq)
	}
	if len(e.Names) > 0 || e.Kind == List {
		fmt.Fprintf(&b, " %s", named(e.Names))
	}
	return b.String()
}

func (m Message) String() string {
	return fmt.Sprintf("%s of %s, %q, at %d:%d", m.ID, m.User, shorten(m.Text), m.Epoch, m.Seq)
}

func shorten(text string) string {
	if r := []rune(text); len(r) > maxShown {
		return string(r[:maxShown]) + "…"
	}
	return text
}

// named lists names, and how many are left out.
func named(names []string) string {
	more := len(names) - maxShown
	if more <= 0 {
		return "[" + strings.Join(names, " ") + "]"
	}
	return fmt.Sprintf("[%s and %d more]", strings.Join(names[:maxShown], " "), more)
}
