package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

// leavesNothing checks that no goroutine runs and no file of the folder is open.
func leavesNothing(t *testing.T, folder string) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	goleak.VerifyNone(t, fasthttpsOwn()...)
	if open := openFiles(folder); len(open) > 0 {
		t.Errorf("still open: %q, want none", open)
	}
}

// process is a server in this process, with a folder of its own.
type process struct {
	t       *testing.T
	signals chan os.Signal
	first   string // its first line on standard output
	url     string
	lines   *bufio.Reader
	logs    bytes.Buffer // to be read after the end
	ended   chan error
}

// start runs serve with these flags until it says that it listens.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	var c commands
	args = append([]string{"serve", "--listen=127.0.0.1:0", "--data=" + t.TempDir()}, args...)
	parser, err := newParser(&c, args)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	reader, out := io.Pipe()
	p := &process{t: t, signals: make(chan os.Signal, 2), lines: bufio.NewReader(reader), ended: make(chan error, 1)}
	go func() {
		err := serveUntil(p.signals, c.Serve, out, &p.logs)
		out.Close()
		p.ended <- err
	}()
	p.first, err = p.lines.ReadString('\n')
	if err != nil {
		t.Fatalf("it ended before it listened: %v", <-p.ended)
	}
	p.url = strings.TrimSpace(strings.TrimPrefix(p.first, "listening on "))
	return p
}

// end waits for the end and returns what is said of it.
func (p *process) end() error {
	p.t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		p.t.Fatalf("it did not end in %v", patience)
		return nil
	}
}

func (p *process) get(path string) (status int, body string) {
	p.t.Helper()
	return p.do(http.MethodGet, path, "", "")
}

func (p *process) do(method, path, token, body string) (status int, answer string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// signUp makes a user and returns a token.
func (p *process) signUp(name string) (token string) {
	p.t.Helper()
	status, body := p.do(http.MethodPost, "/v1/chatrooms/users", "", `{"name":"`+name+`"}`)
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != http.StatusCreated {
		p.t.Fatalf("signing %s up: got status %d, %s", name, status, body)
	}
	return made.Token
}

// join connects to room 1, and makes it if need be.
func (p *process) join(token string) *websocket.Conn {
	p.t.Helper()
	p.do(http.MethodPost, "/v1/chatrooms", token, `{"name":"harbour"}`)
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, p.url+"/v1/chatrooms/1/join?token="+token, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// await reads frames until one of the type.
func await(t *testing.T, c *websocket.Conn, kind string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		_, frame, err := c.Read(ctx)
		if err != nil {
			t.Fatalf("waiting for %s: %v", kind, err)
		}
		if strings.HasPrefix(string(frame), `{"type":"`+kind+`"`) {
			return string(frame)
		}
	}
}

func TestServeSaysWhereItListensAndStops(t *testing.T) {
	p := start(t)
	host, port, err := net.SplitHostPort(strings.TrimPrefix(p.url, "http://"))
	if err != nil || host != "127.0.0.1" || port == "0" || !strings.HasPrefix(p.first, "listening on http://") {
		t.Errorf("got the line %q, want listening on http://127.0.0.1 and the chosen port", p.first)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := p.get(path); status != http.StatusOK {
			t.Errorf("%s: got status %d, %s, want 200", path, status, body)
		}
	}
	p.signals <- syscall.SIGTERM
	if rest, _ := io.ReadAll(p.lines); len(rest) > 0 {
		t.Errorf("got more than one line on standard output: %q", rest)
	}
	if err := p.end(); err != nil {
		t.Errorf("got %v, want no error", err)
	}
	for line := range strings.Lines(p.logs.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a log line is no JSON: %s", line)
		}
	}
}

func TestAStoppedServerLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	p := start(t, "--data="+folder)
	c := p.join(p.signUp("ann"))
	await(t, c, "joined")
	p.signals <- syscall.SIGTERM
	await(t, c, "drain")
	c.Close(websocket.StatusNormalClosure, "")
	if err := p.end(); err != nil {
		t.Errorf("got %v, want no error", err)
	}
	leavesNothing(t, folder)
}

func TestWhatWasSentIsThereAfterAStart(t *testing.T) {
	folder := t.TempDir()
	for round, want := range []string{`"duplicate":false`, `"duplicate":true`} {
		p := start(t, "--data="+folder)
		token := run(t, "", "token", "--data="+folder, "ann").out
		_, token, _ = strings.Cut(strings.TrimSpace(token), "\t")
		p.do(http.MethodPost, "/v1/chatrooms", token, `{"name":"harbour"}`)
		status, body := p.do(http.MethodPost, "/v1/chatrooms/1/messages", token, `{"id":"1","text":"ahoy"}`)
		if status != http.StatusCreated || !strings.Contains(body, want) {
			t.Errorf("start %d: got status %d, %s, want 201 with %s", round+1, status, body, want)
		}
		p.signals <- os.Interrupt
		if err := p.end(); err != nil {
			t.Errorf("start %d: got %v, want no error", round+1, err)
		}
	}
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	folder := t.TempDir()
	p := start(t, "--data="+folder, "--drain-window=1h")
	c := p.join(p.signUp("ann"))
	await(t, c, "joined")
	p.signals <- syscall.SIGTERM
	await(t, c, "drain")
	if status, body := p.get("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("readyz of a server that drains: got status %d, %s, want 503", status, body)
	}
	p.signals <- syscall.SIGTERM
	if err := p.end(); err == nil || !strings.Contains(err.Error(), "second signal") {
		t.Errorf("got %v, want an error that tells of the second signal", err)
	}
	// The process would be gone; here the drain goes on until its client leaves.
	c.Close(websocket.StatusNormalClosure, "")
	until(t, "all files are closed", func() bool { return len(openFiles(folder)) == 0 })
	http.DefaultClient.CloseIdleConnections()
}

func TestABusyPortIsOneClearLine(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	folder := t.TempDir()
	got := run(t, "", "serve", "--listen="+ln.Addr().String(), "--data="+folder)
	if got.status != ExitUsage || strings.Count(got.err, "\n") != 1 ||
		!strings.Contains(got.err, "--listen") || !strings.Contains(got.err, "address already in use") {
		t.Errorf("got exit status %d and %q, want %d and one line that says why --listen cannot be", got.status, got.err, ExitUsage)
	}
	leavesNothing(t, folder)
}
