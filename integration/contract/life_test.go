package contract

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestDraining stops a server under people who do not hurry.
func TestDraining(t *testing.T) {
	t.Parallel()
	server := suite.Binary.Start(t, "--drain-window", "10s")
	ada, bob := newPersonAt(t, server.URL, "Ada"), newPersonAt(t, server.URL, "Bob")
	r := ada.newRoom()
	leaves, stays := ada.join(r), bob.join(r)
	if err := server.Terminate(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*socket{leaves, stays} {
		if f := s.until("drain"); f.WithinMS < 1 || f.WithinMS > 10_000 {
			t.Errorf("got within_ms %d, want up to the window of 10,000", f.WithinMS)
		}
	}
	// Who is connected is served until he leaves; who comes is sent elsewhere.
	stays.say("late", "one last thing")
	ack, _ := stays.expectBoth("ack", "message")
	if leaves.expect("message").Seq != ack.Seq {
		t.Error("got another message, want the one sent while draining")
	}
	request{base: server.URL, method: "GET", path: "/readyz"}.do(t).refused(http.StatusServiceUnavailable, "draining")
	request{base: server.URL, method: "GET", path: "/healthz"}.do(t).ok(http.StatusOK, nil)
	_, response, err := bob.dial(r, nil, nil)
	if err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("got %v (%+v) for a join while draining, want 503 with Retry-After", err, response)
	}
	leaves.leave()
	stays.expectClose(4200, "draining")
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}

func TestDrainingEndsWhenAllHaveLeft(t *testing.T) {
	server := suite.Binary.Start(t, "--drain-window", "10m")
	ada := newPersonAt(t, server.URL, "Ada")
	s := ada.join(ada.newRoom())
	if err := server.Terminate(); err != nil {
		t.Fatal(err)
	}
	s.until("drain")
	s.leave()
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	server, err := suite.Binary.Launch(t.TempDir(), "--drain-window", "10m")
	if err != nil {
		t.Fatal(err)
	}
	ada := newPersonAt(t, server.URL, "Ada")
	s := ada.join(ada.newRoom())
	if err := server.Terminate(); err != nil {
		t.Fatal(err)
	}
	s.until("drain")
	if err := server.Terminate(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-server.Ended():
	case <-time.After(patience):
		t.Errorf("got the server still there %v after the second signal, want it gone", patience)
	}
	if err := server.Stop(); err == nil {
		t.Error("got exit status 0, want one that tells the end from an orderly one")
	}
}

// TestARestartKeepsEverything stops a server in order and starts it again.
func TestARestartKeepsEverything(t *testing.T) {
	data := t.TempDir()
	first, err := suite.Binary.Launch(data)
	if err != nil {
		t.Fatal(err)
	}
	ada := newPersonAt(t, first.URL, "Ada")
	r := ada.newRoom()
	said := ada.say(r, "once", "said before")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second, err := suite.Binary.Launch(data)
	if err != nil {
		t.Fatal(err)
	}
	ada.base = second.URL
	s := ada.joinSince(r, said.Epoch, 0)
	if got := s.joined; !got.Recovered || len(got.Messages) != 1 || got.Messages[0] != said {
		t.Errorf("got %+v after the restart, want %+v played back", got, said)
	}
	s.say("once", "said before")
	if ack := s.expect("ack"); !ack.Duplicate || ack.Seq != said.Seq {
		t.Errorf("got %+v for the same id after the restart, want a duplicate of seq %d", ack, said.Seq)
	}
	s.say("then", "said after")
	if ack, _ := s.expectBoth("ack", "message"); ack.Seq != said.Seq+1 || ack.Epoch != said.Epoch {
		t.Errorf("got (%d, %d) after the restart, want (%d, %d)", ack.Epoch, ack.Seq, said.Epoch, said.Seq+1)
	}
	ada.users(r, 1) // nobody is left over from the first life
	s.leave()       // or the drain waits for her
	if err := second.Stop(); err != nil {
		t.Error(err)
	}
}

// TestAKilledServerLeavesNobodyBehind kills a server under people in a room; who
// does not come back is not there, and who does is there once.
func TestAKilledServerLeavesNobodyBehind(t *testing.T) {
	data := t.TempDir()
	first, err := suite.Binary.Launch(data)
	if err != nil {
		t.Fatal(err)
	}
	ada, bob := newPersonAt(t, first.URL, "Ada"), newPersonAt(t, first.URL, "Bob")
	r := ada.newRoom()
	ada.join(r)
	bob.join(r)
	ada.users(r, 2)
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	second, err := suite.Binary.Launch(data)
	if err != nil {
		t.Fatal(err)
	}
	ada.base = second.URL
	ada.users(r, 0)
	back := ada.join(r)
	if got := back.joined.Users; got != 1 {
		t.Errorf("got %d users after coming back alone, want 1", got)
	}
	if left := ada.users(r, 1).Users[0].Name; left != ada.Name {
		t.Errorf("got %q in the room, want %q", left, ada.Name)
	}
	back.leave() // or the drain waits for her
	if err := second.Stop(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsServedBesideTheChat(t *testing.T) {
	for _, row := range []struct{ path, kind, holds string }{
		{"/healthz", "application/json", `"ok"`},
		{"/readyz", "application/json", `"ready"`},
		{"/metrics", "text/plain", "breakwater_"},
		{"/openapi.json", "application/json", `"openapi":`},
		{"/asyncapi.json", "application/json", `"asyncapi":`},
		{"/", "text/html", "<!doctype html>"},
	} {
		t.Run(row.path, func(t *testing.T) {
			r := request{method: "GET", path: row.path}
			if row.path == "/metrics" {
				r.base = suite.Server.URL // nginx keeps them to the inside
			}
			a := r.do(t).ok(http.StatusOK, nil)
			if kind := a.header.Get("Content-Type"); !strings.HasPrefix(kind, row.kind) || !strings.Contains(strings.ToLower(string(a.body)), row.holds) {
				t.Errorf("got %s %.80q, want %s with %s", kind, a.body, row.kind, row.holds)
			}
			if a.header.Get("X-Request-Id") == "" || a.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("got headers %v, want a request id and nosniff", a.header)
			}
			if policy := a.header.Get("Content-Security-Policy"); row.path == "/" && !strings.Contains(policy, "default-src 'none'") && !strings.Contains(policy, "default-src 'self'") {
				t.Errorf("got Content-Security-Policy %q, want a strict one", policy)
			}
		})
	}
}

func TestCommandLine(t *testing.T) {
	key := file(t, []byte(strings.Repeat("k", 32)))
	missing := filepath.Join(t.TempDir(), "none")
	for _, row := range []struct {
		name   string
		args   []string
		env    string
		input  string
		status int
		// out and said are parts of standard output and standard error.
		out, said string
	}{
		{name: "version", args: []string{"version"}},
		{name: "tokens", args: []string{"token", "--token-key", key, "Ada", "Bob B"}, out: "Bob B\tey"},
		{name: "tokens by standard input", args: []string{"token", "--token-key", key, "-"}, input: "Ada\nИрина\n", out: "Ирина\tey"},
		{name: "a token for a name that is none", args: []string{"token", "--token-key", key, " x"}, status: 2, said: `" x"`},
		{name: "an unknown flag", args: []string{"serve", "--colour", "red"}, status: 2, said: "--colour"},
		{name: "an unknown command", args: []string{"sing"}, status: 2, said: "sing"},
		{name: "a bad address", args: []string{"serve", "--listen", "nowhere"}, status: 2, said: "listen"},
		{name: "a bad duration", args: []string{"serve", "--ping-interval", "soon"}, status: 2, said: "ping-interval"},
		{name: "a negative rate", args: []string{"serve", "--send-rate=-1"}, status: 2, said: "send-rate"},
		{name: "half a certificate", args: []string{"serve", "--tls-cert", key}, status: 2, said: "tls-key"},
		{name: "a file that is not there", args: []string{"serve", "--token-key", missing}, status: 2, said: "token-key"},
		{name: "a bad value of the environment", args: []string{"serve"}, env: "BREAKWATER_SEND_BURST=many", status: 2, said: "send-burst"},
		{name: "a config file that is not there", args: []string{"serve", "--config", missing}, status: 2, said: missing},
		{name: "an unknown key of the config file", args: []string{"serve", "--config", file(t, []byte("colour: red\n"))}, status: 2, said: "colour"},
		{name: "a bad value of the config file", args: []string{"serve", "--config", file(t, []byte("send-rate: many\n"))}, status: 2, said: "send-rate"},
	} {
		t.Run(row.name, func(t *testing.T) {
			command := suite.Binary.Command(row.args...)
			var out, said strings.Builder
			command.Dir = t.TempDir()
			command.Stdin, command.Stdout, command.Stderr = strings.NewReader(row.input), &out, &said
			if row.env != "" {
				command.Env = append(os.Environ(), row.env)
			}
			err := command.Run()
			if got := command.ProcessState.ExitCode(); got != row.status {
				t.Errorf("got exit status %d (%v), want %d; it said %q", got, err, row.status, said.String())
			}
			if !strings.Contains(out.String(), row.out) || !strings.Contains(said.String(), row.said) {
				t.Errorf("got output %q and %q, want %q and %q in them", out.String(), said.String(), row.out, row.said)
			}
			if row.status == 2 && strings.Count(said.String(), "\n") != 1 {
				t.Errorf("got %q, want one line", said.String())
			}
		})
	}
}

// TestNoTokenIsLogged uses a token wherever it may stand, and then looks.
func TestNoTokenIsLogged(t *testing.T) {
	server := suite.Binary.Start(t, "--log-level", "debug")
	ada := newPersonAt(t, server.URL, "Ada")
	r := ada.newRoom()
	ada.join(r).leave()
	for _, token := range []string{ada.Token, ada.Token + "x"} {
		for _, path := range []string{r.path("/messages"), r.path("/join"), "/nowhere"} {
			request{base: server.URL, method: "GET", path: path + "?token=" + token}.do(t)
			request{base: server.URL, method: "GET", path: path, token: token}.do(t)
			request{base: server.URL, method: "GET", path: path, header: http.Header{"Sec-Websocket-Protocol": {"breakwater.v1, bearer." + token}}}.do(t)
		}
	}
	conn, _, err := ada.dial(r, nil, &websocket.DialOptions{Subprotocols: []string{"breakwater.v1", "bearer." + ada.Token}})
	if err != nil {
		t.Fatal(err)
	}
	ada.use(conn).expect("joined")
	log := server.Log()
	if !strings.Contains(log, "/v1/chatrooms/{id}/messages") {
		t.Fatalf("got a log without the requests: %s", log)
	}
	_, signature, _ := strings.Cut(ada.Token, ".")
	if strings.Contains(log, signature) {
		t.Error("got a token in the log, want none")
	}
}

func TestADataFolderIsOneServersOnly(t *testing.T) {
	data := t.TempDir()
	first := suite.Binary.StartOn(t, data)
	ada := newPersonAt(t, first.URL, "Ada")
	r := ada.newRoom()
	ada.join(r)
	command := suite.Binary.Command("serve", "--listen", "127.0.0.1:0", "--data", data)
	var said strings.Builder
	command.Stderr = &said
	if err := command.Run(); err == nil || command.ProcessState.ExitCode() != 2 || strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), "--data") {
		t.Errorf("got %v and %q, want exit status 2 and one line that names --data", err, said.String())
	}
	ada.users(r, 1) // the first is not disturbed
}

func TestABusyPortIsOneClearLine(t *testing.T) {
	command := suite.Binary.Command("serve", "--listen", suite.Server.Address(), "--data", t.TempDir())
	var said strings.Builder
	command.Stderr = &said
	err := command.Run()
	if err == nil || strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), syscall.EADDRINUSE.Error()) {
		t.Errorf("got %v and %q, want a failure and one line that says %v", err, said.String(), syscall.EADDRINUSE)
	}
}
