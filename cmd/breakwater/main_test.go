package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgram makes the test binary the program itself.
const asProgram = "BREAKWATER_TEST_AS_PROGRAM"

// patience bounds what a test waits for.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// program prepares a run of the program that does not outlive the test.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	c.Dir = t.TempDir()
	return c
}

// statusOf is how a process ended.
func statusOf(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	default:
		t.Fatal(err)
		return 0
	}
}

func TestExitStatus(t *testing.T) {
	for _, test := range []struct {
		name, in string
		args     []string
		status   int
		out, err string // what it must contain
	}{
		{"version", "", []string{"version"}, 0, version, ""},
		{"help", "", []string{"--help"}, 0, "serve", ""},
		{"a wrong flag", "", []string{"serve", "--colour=blue"}, 2, "", "--colour"},
		{"a wrong address", "", []string{"serve", "--listen=nowhere"}, 2, "", "--listen"},
		{"a key that is none", "ann\n", []string{"token", "--token-key=/dev/null", "-"}, 2, "", "--token-key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, errOut strings.Builder
			c := program(t, test.args...)
			c.Stdin, c.Stdout, c.Stderr = strings.NewReader(test.in), &out, &errOut
			if got := statusOf(t, c.Run()); got != test.status {
				t.Errorf("exit status: got %d, want %d; it said %q", got, test.status, errOut.String())
			}
			if !strings.Contains(out.String(), test.out) || test.out == "" && out.Len() > 0 {
				t.Errorf("standard output: got %q, want %q in it", out.String(), test.out)
			}
			if !strings.Contains(errOut.String(), test.err) || test.err == "" && errOut.Len() > 0 {
				t.Errorf("standard error: got %q, want %q in it", errOut.String(), test.err)
			}
		})
	}
}

// TestSignals stops a server by the signals of a terminal and of a supervisor.
func TestSignals(t *testing.T) {
	for name, signal := range map[string]os.Signal{"terminated": syscall.SIGTERM, "interrupted": os.Interrupt} {
		t.Run(name, func(t *testing.T) {
			var errOut strings.Builder
			c := program(t, "serve", "--listen=127.0.0.1:0")
			c.Stderr = &errOut
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(out)
			if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, "listening on http://127.0.0.1:") {
				t.Errorf("got the line %q and error %v, want where it listens", line, err)
			}
			if err := c.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			rest, _ := io.ReadAll(lines)
			if got := statusOf(t, c.Wait()); got != 0 || len(rest) > 0 {
				t.Errorf("got exit status %d and further output %q, want 0 and none; it said %q", got, rest, errOut.String())
			}
		})
	}
}
