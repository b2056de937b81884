package deploy

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A user comes to the same server each time, users are spread over all, and
// when one dies only its users move, to all others.
func TestUsersStayWithTheirServer(t *testing.T) {
	s := newFront(t)
	const users = 300
	before := s.places(users)
	count := map[string]int{}
	for _, place := range before {
		count[place]++
	}
	for name := range s.backends {
		if got := count[name]; got < users/6 || got > users/2 {
			t.Errorf("%s has %d of %d users, want about a third", name, got, users)
		}
	}
	for user, place := range s.places(users) {
		if place != before[user] {
			t.Errorf("%s was on %s and is on %s", user, before[user], place)
		}
	}

	s.ExpectFailures()
	s.backends["two"].Close()
	wantOnlyMoved(t, "two has died", before, s.places(users))
	if err := s.Reload(s.backends["one"].Listener.Addr().String(), s.backends["three"].Listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	wantOnlyMoved(t, "two was taken out", before, s.places(users))
}

// wantOnlyMoved wants the users of two on both of the others, and everybody else
// where he was.
func wantOnlyMoved(t *testing.T, since string, before, now map[string]string) {
	t.Helper()
	moved := map[string]int{}
	for user, place := range now {
		if before[user] == "two" {
			moved[place]++
		} else if place != before[user] {
			t.Errorf("since %s: %s moved from %s to %s, neither of which has gone", since, user, before[user], place)
		}
	}
	if moved["one"] == 0 || moved["three"] == 0 || moved["two"] > 0 {
		t.Errorf("since %s: the users of two are on %v, want some on each of the others", since, moved)
	}
}

// Requests that name no user do not all go to one server.
func TestOthersAreSpread(t *testing.T) {
	s := newFront(t)
	count := map[string]int{}
	const requests = 150
	for range requests {
		count[s.ask("POST", "/v1/chatrooms/users", "{}").Backend]++
	}
	for name, b := range s.backends {
		if got := count[name]; got < requests/6 || got > requests/2 {
			t.Errorf("%s got %d of %d requests, want about a third", name, got, requests)
		}
		if got := b.connections.Load(); got > requests/6 {
			t.Errorf("%s got %d connections for %d requests, want few that are kept", name, got, count[name])
		}
	}
}

// A server that is about to stop refuses joins, and another one takes them. No
// server counts as down for it, not even if all of them refuse.
func TestJoinFindsAServerThatTakesIt(t *testing.T) {
	s := newFront(t)
	before := s.places(60)
	s.set(unavailable, healthy, "one")
	for user, place := range s.places(60) {
		if place == "one" || before[user] != "one" && place != before[user] {
			t.Errorf("%s was on %s and is on %s while one refuses", user, before[user], place)
		}
	}
	if name, _ := s.dial("somebody"); name == "one" {
		t.Error("a WebSocket is on one, which refuses")
	}
	s.set(unavailable, unavailable)
	for i := range 30 {
		if got := s.ask("GET", fmt.Sprintf("/v1/chatrooms/1/join?user=user-%d", i), ""); got.Status != http.StatusServiceUnavailable {
			t.Errorf("while all refuse: got status %d, want their 503", got.Status)
		}
	}
	s.set(healthy, healthy)
	for user, place := range s.places(60) {
		if place != before[user] {
			t.Errorf("%s was on %s and is on %s when all are back", user, before[user], place)
		}
	}
}

// A server that has too much to do says 429. No other one is asked: when all have too
// much, each join would be refused three times.
func TestJoinIsRefusedOnce(t *testing.T) {
	s := newFront(t)
	s.set(crowded, healthy)
	for i := range 30 {
		before := s.requests()
		got := s.ask("GET", fmt.Sprintf("/v1/chatrooms/1/join?user=user-%d", i), "")
		if n := s.requests() - before; got.Status != http.StatusTooManyRequests || n != 1 {
			t.Errorf("got status %d after %d requests to backends, want 429 after one", got.Status, n)
		}
	}
}

// A POST that a server has taken is never sent to another one; one that no
// server has taken is.
func TestPostIsDoneOnce(t *testing.T) {
	s := newFront(t)
	s.ExpectFailures()
	post := func(what string, wantStatus, wantRequests int) {
		t.Helper()
		before := s.requests()
		got := s.ask("POST", "/v1/chatrooms/1/messages", `{"id":"a","text":"b"}`)
		if n := s.requests() - before; got.Status != wantStatus || n != wantRequests {
			t.Errorf("%s: got status %d after %d requests to backends, want %d after %d", what, got.Status, n, wantStatus, wantRequests)
		}
	}
	for range 10 {
		s.set(healthy, dying)
		post("the backend dies", http.StatusBadGateway, 1)
		s.set(healthy, unavailable)
		post("the backend refuses", http.StatusServiceUnavailable, 1)
	}
	s.set(healthy, healthy)
	s.backends["one"].Close()
	s.backends["three"].Close()
	for range 20 {
		post("two backends do not listen", http.StatusOK, 1)
	}
	s.set(healthy, dying)
	if before, got := s.requests(), s.ask("GET", "/v1/chatrooms", ""); got.Status != http.StatusBadGateway || s.requests() != before+1 {
		t.Errorf("GET from the last one, which dies: got status %d", got.Status)
	}
}

// A GET whose server dies is asked of the next one.
func TestGetIsRepeated(t *testing.T) {
	s := newFront(t)
	s.ExpectFailures()
	s.set(dying, dying, "one", "two")
	for range 20 {
		if got := s.ask("GET", "/v1/chatrooms", ""); got.Backend != "three" {
			t.Errorf("got status %d by %q, want the answer of three", got.Status, got.Backend)
		}
	}
}

// A WebSocket carries messages both ways, rests, and outlives a reload.
func TestWebSocketIsCarried(t *testing.T) {
	s := newFront(t)
	name, say := s.dial("ann")
	if want := s.place("ann"); name != want {
		t.Errorf("the WebSocket is on %s, requests are on %s", name, want)
	}
	long := strings.Repeat("frame ", 4000)
	wantEcho := func(when string) {
		t.Helper()
		for _, message := range []string{"hello", long} {
			if got, err := say(message); got != message || err != nil {
				t.Errorf("%s: got %d bytes, %v; want an echo of %d", when, len(got), err, len(message))
			}
		}
	}
	wantEcho("at first")
	<-time.After(3 * time.Second)
	wantEcho("after a rest")
	if err := s.Reload(s.backends["one"].Listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	wantEcho("after a reload")
	for user, place := range s.places(10) {
		if place != "one" {
			t.Errorf("%s is on %s, want the only server since the reload", user, place)
		}
	}
}

// Only a join is asked to become something else than HTTP, and that a WebSocket.
func TestOtherProtocolsAreNotPassedOn(t *testing.T) {
	s := newFront(t)
	got := s.ask("GET", "/v1/chatrooms", "", "Connection", "Upgrade, HTTP2-Settings", "Upgrade", "h2c", "HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")
	if got.Header.Get("Upgrade") != "" || got.Header.Get("Connection") != "" {
		t.Errorf("a backend was asked to upgrade: %v", got.Header)
	}
}

// What a client says about where it comes from is not passed on.
func TestClientAddressCannotBeMadeUp(t *testing.T) {
	s := newFront(t)
	got := s.ask("GET", "/v1/chatrooms", "", "X-Forwarded-For", "192.0.2.7", "X-Forwarded-For", "192.0.2.8, 192.0.2.9")
	if addresses := got.Header.Values("X-Forwarded-For"); len(addresses) != 1 || addresses[0] != "127.0.0.1" {
		t.Errorf("X-Forwarded-For: got %q, want the client's address alone", addresses)
	}
}

// What servers take reaches them; what is far too big does not.
func TestBodies(t *testing.T) {
	s := newFront(t)
	const most = 64 << 10 // what a server takes
	if got := s.ask("POST", "/v1/chatrooms/1/messages", strings.Repeat("x", most+1)); got.Status != http.StatusOK || got.Bytes != most+1 {
		t.Errorf("a body that a server has to judge: got status %d, %d bytes at the backend; want all", got.Status, got.Bytes)
	}
	s.complaint = "client intended to send too large body"
	before := s.requests()
	if got := s.ask("POST", "/v1/chatrooms/1/messages", strings.Repeat("x", 1<<20)); got.Status != http.StatusRequestEntityTooLarge || s.requests() != before {
		t.Errorf("a body of a mebibyte: got status %d and %d requests at backends, want 413 and none", got.Status, s.requests()-before)
	}
}

// Tokens are in no log, wherever a client puts them and whatever goes wrong.
func TestTokensStayOutOfTheLog(t *testing.T) {
	s := newFront(t)
	s.ExpectFailures()
	const token = "eyJhbGciOiJIUzI1NiJ9"
	ask := func() {
		for _, path := range []string{"/v1/chatrooms/1/join?user=ann&token=" + token, "/v1/chatrooms?token=" + token, "/metrics?token=" + token} {
			s.ask("GET", path, "", "Authorization", "Bearer "+token, "Sec-WebSocket-Protocol", "bearer."+token, "Referer", "http://x/?token="+token)
		}
	}
	ask()
	for _, b := range s.backends {
		b.Close()
	}
	ask()
	if err := s.Reload("127.0.0.1:1"); err != nil { // so that the logs are written
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(s.folder, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(log), "\n"); got != 6 || strings.Contains(string(log), token) {
		t.Errorf("got %d lines, want 6 without the token:\n%s", got, log)
	}
	// nginx writes whole requests at lower levels.
	if !regexp.MustCompile(`(?m)^error_log \S+ (crit|alert|emerg);`).MatchString(readFile(t, "nginx/nginx.conf")) {
		t.Error("the error log has a level at which it has requests' queries")
	}
}

// Nobody outside sees the metrics, however the path is written.
func TestMetricsAreNotOutside(t *testing.T) {
	s := newFront(t)
	if err := s.Reload(suite.Server.Address()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/metrics", "/metrics?x=1", "//metrics", "/./metrics", "/x/../metrics", "/%6detrics", "/%2e/metrics", "/x/..%2fmetrics",
		"/metrics/", "/metrics/.", "/metrics%2f", "/%256detrics", "/x/%2e%2e/metrics", "/metrics;x", "/metrics%00", "http://x/metrics",
	} {
		if got := s.raw("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 4") {
			t.Errorf("%s: got %.60q, want a refusal", path, got)
		}
	}
	if got := s.ask("GET", "/healthz", ""); got.Status != http.StatusOK {
		t.Errorf("/healthz: got status %d, want 200 from the same server", got.Status)
	}
}

// nginx waits longer for a WebSocket than a server is silent.
func TestTimesFitTheServers(t *testing.T) {
	duration := func(what, pattern, text string) time.Duration {
		t.Helper()
		found := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("found no %s", what)
		}
		d, err := time.ParseDuration(found[1])
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	silence := duration("--silence-timeout", `--silence-timeout=(\S+)`, help(t, "serve"))
	_, join, _ := strings.Cut(readFile(t, "nginx/nginx.conf"), "/join$ {")
	join, _, _ = strings.Cut(join, "}")
	for _, name := range []string{"proxy_read_timeout", "proxy_send_timeout"} {
		if got := duration(name, name+` (\S+);`, join); got <= silence {
			t.Errorf("%s of a join: got %v, want more than the silence after which a server gives a client up, %v", name, got, silence)
		}
	}
}

// The configuration is good for a user that may do nothing, in a folder of its own.
func TestNginxNeedsNoRoot(t *testing.T) {
	s := newFront(t)
	path := "/usr/sbin/nginx" // where packages put it, which is not in everybody's PATH
	if found, err := exec.LookPath("nginx"); err == nil {
		path = found
	}
	command := exec.Command(path, "-t", "-p", s.folder, "-c", filepath.Join(s.folder, "nginx.conf"), "-e", filepath.Join(s.folder, "error.log"))
	if os.Geteuid() == 0 {
		const nobody = 65534
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := os.Chmod(filepath.Dir(s.folder), 0o755); err != nil {
			t.Fatal(err)
		}
		err := filepath.Walk(s.folder, func(path string, _ os.FileInfo, err error) error {
			if err != nil {
				return err
			}
			return os.Chown(path, nobody, nobody)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if said, err := command.CombinedOutput(); err != nil {
		t.Errorf("nginx -t: %v\n%s", err, said)
	}
}
