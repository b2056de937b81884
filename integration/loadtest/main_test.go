// Package loadtest holds the load generator to its word: it is run as people run it, on
// a real server, on a fake one that lies, and beside an independent client.
package loadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/integration/harness"
	"github.com/breakwater-chat/breakwater/loadtest/report"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// patience bounds every wait.
const patience = 2 * time.Minute

// Exit statuses of loadtest.
const (
	passed     = 0
	broken     = 1
	wrongUsage = 2
	unexpected = 3
)

// ground is what the tests share: a server that limits no rates, and the key of its tokens.
var ground struct {
	binary harness.Binary
	server *stand.Server
	key    string
}

func TestMain(m *testing.M) {
	os.Exit(harness.Main(func(folder string) (status int, err error) {
		if ground.binary, err = harness.Build(folder, "breakwater", "-race"); err != nil {
			return 1, err
		}
		data := filepath.Join(folder, "data")
		ground.key = filepath.Join(data, "token.key")
		if ground.server, err = ground.binary.Launch(data, "--send-rate", "0", "--signup-rate", "0"); err != nil {
			return 1, err
		}
		status = m.Run()
		return status, ground.server.Stop()
	}))
}

// outcome is what a run leaves: how it ended, and its report.
type outcome struct {
	status   int
	out, err string
	report   report.Report
	html     string
}

// figure is the value of a figure; a figure that is not there fails the test.
func (o outcome) figure(t *testing.T, name string) float64 {
	t.Helper()
	for _, f := range o.report.Figures {
		if f.Name == name {
			return f.Value
		}
	}
	t.Fatalf("the run has no figure %s; it said\n%s%s", name, o.out, o.err)
	return 0
}

// want holds figures to their values.
func (o outcome) want(t *testing.T, figures map[string]float64) {
	t.Helper()
	for name, want := range figures {
		if got := o.figure(t, name); got != want {
			t.Errorf("got %s %g, want %g; all counts are %v", name, got, want, o.report.Totals.Counts)
		}
	}
}

// ended holds the exit status.
func (o outcome) ended(t *testing.T, status int) {
	t.Helper()
	if o.status != status {
		t.Fatalf("got exit status %d, want %d; it said\n%s%s", o.status, status, o.out, o.err)
	}
}

// complaint is the one line that says what is wrong.
func (o outcome) complaint(t *testing.T) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(o.err) {
		if strings.HasPrefix(line, "breakwater: ") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 {
		t.Fatalf("got %d lines that say what is wrong, want one:\n%s", len(lines), o.err)
	}
	return lines[0]
}

// running is a run under way.
type running struct {
	*exec.Cmd
	out, err   bytes.Buffer
	json, html string
}

// start begins a load test of a target, with the key of the shared server unless the
// arguments say where tokens are from.
func start(t *testing.T, target string, args ...string) *running {
	t.Helper()
	return launch(t, ground.binary.Command(arguments(t, target, args)...))
}

func arguments(t *testing.T, target string, args []string) []string {
	all := append([]string{"loadtest"}, args...)
	if !strings.Contains(strings.Join(args, " "), "--token") {
		all = append(all, "--token-key", ground.key)
	}
	folder := t.TempDir()
	return append(all, "--target", target, "--json", filepath.Join(folder, "result.json"), "--html", filepath.Join(folder, "result.html"))
}

func launch(t *testing.T, command *exec.Cmd) *running {
	t.Helper()
	r := &running{Cmd: command, html: command.Args[len(command.Args)-1], json: command.Args[len(command.Args)-3]}
	r.Stdout, r.Stderr = &r.out, &r.err
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// wait waits for the end of a run and reads its report.
func (r *running) wait(t *testing.T) (o outcome) {
	t.Helper()
	impatient := time.AfterFunc(patience, func() { _ = r.Process.Kill() })
	defer impatient.Stop()
	var exit *exec.ExitError
	if err := r.Wait(); errors.As(err, &exit) {
		o.status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	o.out, o.err = r.out.String(), r.err.String()
	if strings.Contains(o.err, "DATA RACE") {
		t.Errorf("got a data race:\n%s", o.err)
	}
	raw, err := os.ReadFile(r.json)
	if err == nil {
		err = json.Unmarshal(raw, &o.report)
	}
	page, pageErr := os.ReadFile(r.html)
	o.html = string(page)
	if err = errors.Join(err, pageErr); err != nil && o.status != wrongUsage {
		t.Fatalf("there is no report: %v; the run said\n%s%s", err, o.out, o.err)
	}
	return o
}

func load(t *testing.T, args ...string) outcome {
	t.Helper()
	return start(t, ground.server.URL, args...).wait(t)
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("waited %v in vain until %s", patience, what)
		}
	}
}

// kept are the promises that a run on an honest server finds kept.
func kept() map[string]float64 {
	return map[string]float64{"lost": 0, "doubled": 0, "disordered": 0, "damaged": 0, "unanswered": 0, "gapped": 0, "away": 0, "errors": 0}
}

func pid(s *stand.Server) string { return fmt.Sprint(s.PID()) }
