package crash

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every wait.
const patience = 30 * time.Second

var listening = regexp.MustCompile(`listening.*?(127\.0\.0\.1:\d+)`)

// binary is the server under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "breakwater-crash-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "breakwater")
		build := exec.Command("go", "build", "-o", binary, "./cmd/breakwater")
		build.Dir = filepath.Join("..", "..")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building the server: %v\n%s", err, out)
			return 1
		}
		code := m.Run()
		http.DefaultClient.CloseIdleConnections()
		if err := goleak.Find(); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}())
}

// server is one life of the real server.
type server struct {
	command *exec.Cmd
	address string
	log     bytes.Buffer // read after ended only
	ended   chan struct{}
}

// startServer runs the binary, embedded, on a folder that may hold an earlier
// life's data, and waits until it listens.
func startServer(t *testing.T, data, listen string) *server {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatalf("making a pipe: %v", err)
	}
	s := &server{command: exec.Command(binary, "serve", "--listen", listen, "--data", data), ended: make(chan struct{})}
	s.command.Stdout, s.command.Stderr = write, write
	if err := s.command.Start(); err != nil {
		t.Fatalf("starting the server: %v", err)
	}
	write.Close()
	ready := make(chan string, 1)
	go func() {
		defer close(s.ended)
		defer read.Close()
		for lines := bufio.NewScanner(read); lines.Scan(); {
			fmt.Fprintln(&s.log, lines.Text())
			if found := listening.FindStringSubmatch(lines.Text()); found != nil && len(ready) == 0 {
				ready <- found[1]
			}
		}
	}()
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("the server's log:\n%s", s.log.String())
		}
	})
	select {
	case s.address = <-ready:
	case <-s.ended:
		t.Fatalf("the server ended before it was ready:\n%s", s.log.String())
	case <-time.After(patience):
		t.Fatal("the server did not become ready")
	}
	return s
}

// kill ends the process by SIGKILL, if it still runs, and waits for it.
func (s *server) kill() {
	_ = s.command.Process.Kill() // fails only for one that has ended
	<-s.ended
	_ = s.command.Wait() // says that it was killed
}

// stop asks for an orderly end, which must be one.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("stopping the server: %v", err)
	}
	select {
	case <-s.ended:
	case <-time.After(patience):
		t.Fatal("the server did not stop")
	}
	if err := s.command.Wait(); err != nil {
		t.Errorf("the server did not stop cleanly: %v", err)
	}
}

// call does one HTTP request and decodes its answer.
func (s *server) call(t *testing.T, method, path, token string, body, into any, want int) {
	t.Helper()
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		payload = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.address+path, payload)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		t.Fatalf("%s %s: got %s (%v), want status %d: %s", method, path, response.Status, err, want, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, answer)
	}
}

// pages reads all that is stored of a room, page by page.
func (s *server) pages(t *testing.T, room int64, token string) []message {
	t.Helper()
	var all []message
	for after := int64(0); ; {
		var page struct {
			Messages []message
			Next     *int64
		}
		s.call(t, http.MethodGet, fmt.Sprintf("/v1/chatrooms/%d/messages?after=%d&limit=500", room, after), token, nil, &page, http.StatusOK)
		all = append(all, page.Messages...)
		if page.Next == nil {
			return all
		}
		if *page.Next <= after {
			t.Fatalf("paging room %d: next is %d after %d", room, *page.Next, after)
		}
		after = *page.Next
	}
}
