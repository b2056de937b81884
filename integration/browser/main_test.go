package browser

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every wait; a loaded machine starts two browsers in a few seconds.
const patience = 60 * time.Second

var listening = regexp.MustCompile(`listening.*?(127\.0\.0\.1:\d+)`)

func TestMain(m *testing.M) {
	if _, err := exec.LookPath("chromium"); err != nil {
		fmt.Fprintln(os.Stderr, "browser tests need Chromium: no executable named chromium in PATH (Debian: apt-get install chromium)")
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// startServer runs the binary embedded on a free port with data of its own, and returns its address.
func startServer(t *testing.T) string {
	t.Helper()
	return runServer(t, build(t), t.TempDir()).address
}

func build(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "breakwater")
	build := exec.Command("go", "build", "-o", binary, "./cmd/breakwater")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the server: %v\n%s", err, out)
	}
	return binary
}

// A server is a running process of the binary.
type server struct {
	t       *testing.T
	address string
	process *exec.Cmd
	logged  chan string // its whole log, once it has ended
	stopped bool
}

// runServer returns when the server is ready. It is stopped, and must have stopped cleanly, when the
// test ends at the latest.
func runServer(t *testing.T, binary, data string) *server {
	t.Helper()
	s := &server{
		t:       t,
		process: exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--data", data),
		logged:  make(chan string, 1),
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatalf("making a pipe: %v", err)
	}
	s.process.Stdout, s.process.Stderr = write, write
	if err := s.process.Start(); err != nil {
		t.Fatalf("starting the server: %v", err)
	}
	write.Close()
	ready := make(chan string, 1)
	go s.follow(read, ready)
	t.Cleanup(s.Stop)
	select {
	case s.address = <-ready:
		if s.address == "" {
			t.Fatal("the server ended before it was ready")
		}
	case <-time.After(patience):
		t.Fatal("the server did not become ready")
	}
	return s
}

// follow reads what the server logs until its end.
func (s *server) follow(read *os.File, ready chan<- string) {
	defer read.Close()
	defer close(ready)
	var log strings.Builder
	for lines := bufio.NewScanner(read); lines.Scan(); {
		fmt.Fprintln(&log, lines.Text())
		if found := listening.FindStringSubmatch(lines.Text()); found != nil && len(ready) == 0 {
			ready <- found[1]
		}
	}
	s.logged <- log.String()
}

// Stop drains the server and waits for its end.
func (s *server) Stop() {
	if s.stopped {
		return
	}
	s.stopped = true
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Errorf("stopping the server: %v", err)
	}
	kill := time.AfterFunc(patience, func() { s.process.Process.Kill() })
	defer kill.Stop()
	if err := s.process.Wait(); err != nil {
		s.t.Errorf("the server did not stop cleanly: %v", err)
	}
	if log := <-s.logged; s.t.Failed() {
		s.t.Logf("the server's log:\n%s", log)
	}
}
