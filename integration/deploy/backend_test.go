package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// How a backend answers.
type mode int32

const (
	healthy mode = iota
	unavailable
	crowded // has too much to do, as all have
	dying   // takes the request, and cuts the connection
)

// backend stands in for a server behind nginx.
type backend struct {
	*httptest.Server
	name        string
	joins, rest atomic.Int32 // modes
	requests    atomic.Int32 // that came whole
	connections atomic.Int32
}

// answer is what a backend says of a request.
type answer struct {
	Status  int         `json:"-"`
	Backend string      `json:"backend"`
	Header  http.Header `json:"header"`
	Bytes   int         `json:"bytes"`
}

func newBackend(t *testing.T, name string) *backend {
	b := &backend{name: name}
	b.Server = httptest.NewUnstartedServer(b)
	b.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			b.connections.Add(1)
		}
	}
	b.Start()
	t.Cleanup(b.Close)
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	b.requests.Add(1)
	join := strings.HasSuffix(r.URL.Path, "/join")
	now := &b.rest
	if join {
		now = &b.joins
	}
	switch mode(now.Load()) {
	case unavailable:
		w.Header().Set("Retry-After", "7")
		http.Error(w, b.name+" is about to stop", http.StatusServiceUnavailable)
	case crowded:
		w.Header().Set("Retry-After", "7")
		http.Error(w, "more are joining than can be let in", http.StatusTooManyRequests)
	case dying:
		panic(http.ErrAbortHandler)
	case healthy:
		if join && r.Header.Get("Upgrade") != "" {
			b.echo(w, r)
			return
		}
		json.NewEncoder(w).Encode(answer{Backend: b.name, Header: r.Header, Bytes: len(body)})
	}
}

// echo says its name, and then what it hears.
func (b *backend) echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(1 << 20)
	message := []byte(b.name)
	for err == nil {
		if err = c.Write(r.Context(), websocket.MessageText, message); err == nil {
			_, message, err = c.Read(r.Context())
		}
	}
}

// front is the deployed nginx in front of three backends.
type front struct {
	*testing.T
	*stand.Nginx
	folder   string
	backends map[string]*backend
	client   *http.Client // a connection a request, as of as many people
	// complaint is what nginx may say in its log.
	complaint string
}

func newFront(t *testing.T) *front {
	t.Helper()
	s := &front{T: t, folder: t.TempDir(), backends: map[string]*backend{}}
	s.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var addresses []string
	for _, name := range []string{"one", "two", "three"} {
		s.backends[name] = newBackend(t, name)
		addresses = append(addresses, s.backends[name].Listener.Addr().String())
	}
	var err error
	if s.Nginx, err = stand.StartNginx(os.DirFS(files+"/nginx"), s.folder, addresses...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil && (s.complaint == "" || !strings.Contains(err.Error(), s.complaint)) {
			t.Error(err)
		}
	})
	return s
}

// set makes all backends answer in a way, or those that are named.
func (s *front) set(joins, rest mode, names ...string) {
	for name, b := range s.backends {
		if len(names) == 0 || strings.Contains(strings.Join(names, " "), name) {
			b.joins.Store(int32(joins))
			b.rest.Store(int32(rest))
		}
	}
}

// requests is how many have come to the backends so far, whole.
func (s *front) requests() (n int) {
	for _, b := range s.backends {
		n += int(b.requests.Load())
	}
	return n
}

// ask sends a request by nginx.
func (s *front) ask(method, path, body string, headers ...string) answer {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	got := answer{Status: response.StatusCode}
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil && response.StatusCode == http.StatusOK {
		s.Fatalf("%s %s: %v", method, path, err)
	}
	if got.Status == http.StatusServiceUnavailable && response.Header.Get("Retry-After") != "7" {
		s.Errorf("%s %s: got 503 without the backend's Retry-After", method, path)
	}
	return got
}

// raw sends bytes to nginx and gives all that comes back.
func (s *front) raw(request string) string {
	s.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(request)); err != nil {
		s.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil {
		s.Fatal(err)
	}
	return string(got)
}

// place is the backend that a user's join reaches.
func (s *front) place(user string) string {
	s.Helper()
	got := s.ask("GET", "/v1/chatrooms/1/join?user="+user, "")
	if got.Status != http.StatusOK {
		s.Fatalf("join of %s: got status %d, want 200", user, got.Status)
	}
	return got.Backend
}

// places are those of many users.
func (s *front) places(users int) map[string]string {
	s.Helper()
	of := map[string]string{}
	for i := range users {
		user := fmt.Sprintf("user-%d", i)
		of[user] = s.place(user)
	}
	return of
}

// dial opens a WebSocket; say sends a message by it and gives the echo. The first
// message is the backend's name.
func (s *front) dial(user string) (name string, say func(string) (string, error)) {
	s.Helper()
	c, _, err := websocket.Dial(s.Context(), "ws"+strings.TrimPrefix(s.URL, "http")+"/v1/chatrooms/1/join?user="+user,
		&websocket.DialOptions{HTTPClient: s.client})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { c.CloseNow() })
	c.SetReadLimit(1 << 20)
	read := func() (string, error) {
		ctx, cancel := context.WithTimeout(s.Context(), stand.Patience)
		defer cancel()
		_, message, err := c.Read(ctx)
		return string(message), err
	}
	if name, err = read(); err != nil {
		s.Fatal(err)
	}
	return name, func(message string) (string, error) {
		if err := c.Write(s.Context(), websocket.MessageText, []byte(message)); err != nil {
			return "", err
		}
		return read()
	}
}
