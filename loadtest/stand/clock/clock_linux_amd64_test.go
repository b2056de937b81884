package clock_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand/clock"
)

// TestMain is the tests or, called as the program of a test, one that tells the time.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "tell" {
		tell()
		return
	}
	os.Exit(m.Run())
}

// tell answers each line by the wall clock, and by how long ago it began by the monotonic one.
func tell() {
	began := time.Now()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		now := time.Now()
		fmt.Println(now.UnixNano(), int64(now.Sub(began)))
	}
}

// slack is what is left of a clock that is told in whole seconds, and nothing beside a jump.
const slack = time.Second

func TestClockJumps(t *testing.T) {
	command := exec.Command(os.Args[0], "tell")
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c, err := clock.Start(command)
	if err != nil {
		t.Fatal(err)
	}
	var last time.Duration // how long it has been running, by its own account
	for _, ahead := range []time.Duration{0, 10 * time.Minute, -10 * time.Minute, 24 * time.Hour, 0} {
		if err := c.Set(ahead); err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		wall, running := ask(t, in, out)
		after := time.Now()
		if wall.Before(before.Add(ahead-slack)) || wall.After(after.Add(ahead+slack)) {
			t.Errorf("%v ahead: its clock says %v, want %v more than %v", ahead, wall, ahead, before)
		}
		if running < last || running > after.Sub(began) {
			t.Errorf("%v ahead: it has been running for %v, and for %v before; want it to grow, to %v at most", ahead, running, last, after.Sub(began))
		}
		last = running
		if own := after.Round(0).Sub(began.Round(0)) - after.Sub(began); own.Abs() > slack {
			t.Errorf("%v ahead: the clock of the test has moved, too, by %v", ahead, own)
		}
	}
	in.Close()
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func ask(t *testing.T, in io.Writer, out io.Reader) (wall time.Time, running time.Duration) {
	t.Helper()
	var nanos int64
	if _, err := fmt.Fprintln(in); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fscanln(out, &nanos, &running); err != nil {
		t.Fatal(err)
	}
	return time.Unix(0, nanos), running
}

// A program that cannot be started leaves nothing behind, and says why.
func TestStartOfNothing(t *testing.T) {
	if c, err := clock.Start(exec.Command("/nowhere/program")); err == nil {
		c.Close()
		t.Error("got a clock, want an error")
	}
}
