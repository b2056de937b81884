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

// startServer builds the binary, runs it embedded on a free port, and returns its address. The server
// is stopped, and must have stopped cleanly, when the test ends.
func startServer(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "breakwater")
	build := exec.Command("go", "build", "-o", binary, "./cmd/breakwater")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the server: %v\n%s", err, out)
	}
	server := exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--data", t.TempDir())
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatalf("making a pipe: %v", err)
	}
	server.Stdout, server.Stderr = write, write
	if err := server.Start(); err != nil {
		t.Fatalf("starting the server: %v", err)
	}
	write.Close()
	ready, drained := make(chan string, 1), make(chan struct{})
	var log strings.Builder // read after drained only
	go func() {
		defer close(drained)
		defer close(ready)
		for lines := bufio.NewScanner(read); lines.Scan(); {
			fmt.Fprintln(&log, lines.Text())
			if found := listening.FindStringSubmatch(lines.Text()); found != nil && len(ready) == 0 {
				ready <- found[1]
			}
		}
	}()
	t.Cleanup(func() {
		stop(t, server)
		<-drained
		read.Close()
		if t.Failed() {
			t.Logf("the server's log:\n%s", log.String())
		}
	})
	select {
	case address, ok := <-ready:
		if !ok {
			t.Fatal("the server ended before it was ready")
		}
		return address
	case <-time.After(patience):
		t.Fatal("the server did not become ready")
	}
	return ""
}

func stop(t *testing.T, server *exec.Cmd) {
	t.Helper()
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("stopping the server: %v", err)
	}
	kill := time.AfterFunc(patience, func() { server.Process.Kill() })
	defer kill.Stop()
	if err := server.Wait(); err != nil {
		t.Errorf("the server did not stop cleanly: %v", err)
	}
}
