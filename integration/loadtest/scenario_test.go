package loadtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestFanout(t *testing.T) {
	o := load(t, "fanout", "--members", "300", "--rooms", "3", "--rate", "60", "--duration", "3s", "--arrivals", "constant",
		"--server-pid", pid(ground.server), "--expect", "p99=10s,lost=0")
	o.ended(t, passed)
	o.want(t, kept())
	sent := o.figure(t, "sent")
	if sent < 170 || sent > 190 {
		t.Errorf("got %g sends, want 60 a second for 3 s, whatever came back", sent)
	}
	// 100 members in each room.
	o.want(t, map[string]float64{"acked": sent, "received": 100 * sent})
	for _, name := range []string{"generator_cpu", "server_cpu", "generator_memory", "server_memory", "p50", "p999", "ack.p99", "join.p99", "late.p99", "busy"} {
		if got := o.figure(t, name); got <= 0 {
			t.Errorf("got %s %g, want more than nothing", name, got)
		}
	}
	if len(o.report.Checks) != 5 {
		t.Errorf("got %d checks, want what was expected and three promises more: %+v", len(o.report.Checks), o.report.Checks)
	}
	if !strings.Contains(o.html, "<svg") || strings.Contains(o.html, "http://www.") && strings.Contains(o.html, "<script src") {
		t.Error("got a page without plots, or one that needs another file")
	}
}

func TestFanoutAsFastAsItGoes(t *testing.T) {
	t.Parallel()
	o := load(t, "fanout", "--members", "50", "--rate", "0", "--window", "32", "--duration", "2s", "--payload", "512")
	o.ended(t, passed)
	o.want(t, kept())
	if got := o.figure(t, "sent"); got < 64 {
		t.Errorf("got %g sends, want many windows of 32", got)
	}
	if loop := fmt.Sprint(o.report.Parameters); !strings.Contains(loop, "closed loop") {
		t.Errorf("got the parameters %s, want them to say that the loop is closed", loop)
	}
}

func TestStorm(t *testing.T) {
	t.Parallel()
	const people = 400
	o := load(t, "storm", "--members", fmt.Sprint(people), "--rooms", "8", "--zipf", "1", "--rate", "40", "--steady", "1s", "--duration", "30s")
	o.ended(t, passed)
	o.want(t, kept())
	o.want(t, map[string]float64{"back": people, "closed": people, "reset": 0})
	var curve int64
	for _, p := range o.report.Points {
		curve += p.Counts["back"]
	}
	if curve != people {
		t.Errorf("got %d in the curve of those who came back, want %d", curve, people)
	}
	if got := o.figure(t, "back.max"); got <= 0 {
		t.Errorf("got everybody back within %g s, want some time", got)
	}
	var marks []string
	for _, m := range o.report.Marks {
		marks = append(marks, m.Name)
	}
	if got, want := strings.Join(marks, ", "), "load begins, cut, all back, load ends"; got != want {
		t.Errorf("got the marks %q, want %q", got, want)
	}
}

// TestAStallCountsForAllThatWasDue freezes a server for a second. What was due in that second is
// sent all the same, and waits from when it was due: without that, one message of 200 would have
// noticed.
func TestAStallCountsForAllThatWasDue(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := ground.binary.StartOn(t, data)
	r := start(t, s.URL, "fanout", "--members", "10", "--rate", "50", "--arrivals", "constant", "--duration", "4s",
		"--token-key", filepath.Join(data, "token.key"))
	until(t, "it talks", func() bool { return received(t, s) > 100 })
	if err := syscall.Kill(s.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Second)
	if err := syscall.Kill(s.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	o := r.wait(t)
	o.ended(t, passed)
	o.want(t, kept())
	o.want(t, map[string]float64{"sent": 200})
	// A quarter of all waited for half a second on the average.
	if got := o.figure(t, "p90"); got < 0.4 {
		t.Errorf("got the p90 %g s, want about 0.6", got)
	}
	if got := o.figure(t, "max"); got < 0.9 {
		t.Errorf("got the longest %g s, want a second", got)
	}
}

// TestStormOfAKilledServer lets somebody else do the cutting.
func TestStormOfAKilledServer(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := ground.binary.StartOn(t, data, "--send-rate", "0", "--signup-rate", "0")
	r := start(t, s.URL, "storm", "--members", "100", "--cut", "none", "--duration", "15s", "--rate", "20",
		"--token-key", filepath.Join(data, "token.key"))
	until(t, "it talks", func() bool { return received(t, s) > 500 })
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	ground.binary.StartOn(t, data, "--listen", s.Address(), "--send-rate", "0", "--signup-rate", "0")
	o := r.wait(t)
	o.ended(t, passed)
	o.want(t, map[string]float64{"lost": 0, "doubled": 0, "disordered": 0, "damaged": 0, "unanswered": 0, "away": 0, "back": 100, "reset": 0})
}

func TestSoak(t *testing.T) {
	t.Parallel()
	o := load(t, "soak", "--members", "20", "--rate", "20", "--duration", "12s", "--server-pid", pid(ground.server), "--expect", "memory_drift<300%")
	o.ended(t, passed)
	o.want(t, kept())
	if got := o.figure(t, "p99_drift"); got <= 0 {
		t.Errorf("got the p99's drift %g, want a ratio", got)
	}
}

func TestMixed(t *testing.T) {
	t.Parallel()
	o := load(t, "mixed", "--members", "200", "--rooms", "10", "--rate", "40", "--moves", "40", "--searches", "8", "--pages", "12", "--duration", "3s")
	o.ended(t, passed)
	o.want(t, kept())
	for name, least := range map[string]int64{"search": 10, "page": 15, "left": 10, "joined": 210, "received": 300} {
		if got := o.report.Totals.Counts[name]; got < least {
			t.Errorf("got %d of %s, want %d at least", got, name, least)
		}
	}
	if got := o.figure(t, "page.p99"); got <= 0 {
		t.Errorf("got the pages' p99 %g, want some time", got)
	}
}

// TestUsersAreSignedUp has neither key nor tokens, and the limits of a server as it is.
func TestUsersAreSignedUp(t *testing.T) {
	t.Parallel()
	s := ground.binary.Start(t, "--signup-burst", "5", "--signup-rate", "10")
	o := start(t, s.URL, "fanout", "--members", "20", "--users", "10", "--duration", "1s", "--token-ttl", "1h").wait(t)
	o.ended(t, passed)
	o.want(t, kept())
}

func TestTokensOfAFile(t *testing.T) {
	t.Parallel()
	names := ground.binary.Command("token", "--token-key", ground.key, "ann of the file", "bob of the file")
	lines, err := names.Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	o := load(t, "fanout", "--members", "6", "--duration", "1s", "--tokens", file)
	o.ended(t, passed)
	o.want(t, kept())
}
