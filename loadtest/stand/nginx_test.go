package stand_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// upstream serves an echo until the test's end and gives its address.
func upstream(t *testing.T, name string) (address string) {
	t.Helper()
	s := httptest.NewServer(echo(name))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func startNginx(t *testing.T, upstreams ...string) *stand.Nginx {
	t.Helper()
	n, err := stand.StartNginx(os.DirFS("testdata"), t.TempDir(), upstreams...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func wantStop(t *testing.T, n *stand.Nginx) {
	t.Helper()
	if err := n.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// Requests and WebSockets are passed on, after a reload to the new upstream; what
// is open stays open.
func TestNginxPassesOn(t *testing.T) {
	one, two := upstream(t, "one"), upstream(t, "two")
	n := startNginx(t, one)
	defer wantStop(t, n)
	if got := get(t, n.URL+"/v1/chatrooms"); got != "one" {
		t.Errorf("request: got %q, want it answered by one", got)
	}
	ask := dial(t, n.URL+"/v1/chatrooms/1/join?user=ann")
	wantOne := func(when string) {
		t.Helper()
		if got, err := ask("hello"); got != "one: hello" || err != nil {
			t.Errorf("WebSocket %s: got %q, %v; want one's echo", when, got, err)
		}
	}
	wantOne("before the reload")
	if err := n.Reload(two); err != nil {
		t.Fatal(err)
	}
	if got := get(t, n.URL+"/v1/chatrooms"); got != "two" {
		t.Errorf("request after the reload: got %q, want it answered by two", got)
	}
	wantOne("after the reload")
}

// An upstream that fails is told at the end, unless it was to fail.
func TestNginxTellsErrors(t *testing.T) {
	for name, expected := range map[string]bool{"of a surprise": false, "but expected ones": true} {
		t.Run(name, func(t *testing.T) {
			n := startNginx(t, "127.0.0.1:1")
			if expected {
				n.ExpectFailures()
			}
			if got := get(t, n.URL+"/v1/chatrooms"); !strings.HasPrefix(got, "502") {
				t.Errorf("without an upstream: got %q, want 502", got)
			}
			if err := n.Stop(); (err == nil) != expected {
				t.Errorf("stop: got %v, want an error: %t", err, !expected)
			}
		})
	}
}

func TestNginxRefusesAConfiguration(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"that is wrong", "nonsense;\nhttp {\nupstream u {\nserver a:1;\n}\nserver {\nlisten 80;\n}\n}", "nonsense"},
		{"that listens nowhere", "http {\nupstream u {\nserver a:1;\n}\n}", "0 listen lines"},
	} {
		t.Run(test.name, func(t *testing.T) {
			source := t.TempDir()
			if err := os.WriteFile(filepath.Join(source, "nginx.conf"), []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			n, err := stand.StartNginx(os.DirFS(source), t.TempDir(), "127.0.0.1:1")
			if err == nil {
				n.Stop()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

// One that has just started takes a reload, and it is done when Reload returns,
// however busy the machine is.
func TestNginxTakesReloadsAtOnce(t *testing.T) {
	t.Parallel()
	one, two := upstream(t, "one"), upstream(t, "two")
	for range 96 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			n := startNginx(t, one)
			defer wantStop(t, n)
			if err := n.Reload(two); err != nil {
				t.Fatal(err)
			}
			if got := get(t, n.URL+"/v1/chatrooms"); got != "two" {
				t.Errorf("request after the reload: got %q, want it answered by two", got)
			}
		})
	}
}
