package server

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker/membroker"
	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/cache/memcache"
	"github.com/breakwater-chat/breakwater/history/sqlitefts"
	"github.com/breakwater-chat/breakwater/server/admission"
	"github.com/breakwater-chat/breakwater/server/auth"
	"github.com/breakwater-chat/breakwater/server/directory"
	"github.com/breakwater-chat/breakwater/server/lease"
	"github.com/breakwater-chat/breakwater/server/live"
	"github.com/breakwater-chat/breakwater/server/playback"
	"github.com/breakwater-chat/breakwater/store/sqlitestore"
)

// patience bounds what a test waits for.
const patience = 30 * time.Second

// TestMain does not wait for goroutines that are fasthttp's own: the process's
// one clock of the Date header, and the cleaner of a pool that has stopped,
// which sees that when it wakes after ten seconds.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// diary is where everything that is logged goes.
type diary struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// forget begins a new page.
func (d *diary) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text.Reset()
}

// stand is a server over the embedded parts that nobody serves yet.
type stand struct {
	*Server
	deps  Deps
	store *sqlitestore.Store
	diary *diary
	// room and user are there from the start, token is the user's.
	room  bw.Room
	user  bw.User
	token string
}

// newStand makes a server; change, if any, may put other parts in place.
func newStand(t testing.TB, change func(*Config, *Deps)) *stand {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, dir, registry := context.Background(), t.TempDir(), prometheus.NewRegistry()
	s := &stand{diary: &diary{}}
	log := slog.New(slog.NewJSONHandler(s.diary, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	s.store, err = sqlitestore.Open(ctx, sqlitestore.Config{Path: filepath.Join(dir, "store.db")})
	must(err)
	messages, err := sqlitefts.Open(ctx, sqlitefts.Config{Path: filepath.Join(dir, "messages.db")})
	must(err)
	broker, memory := membroker.New(membroker.Config{}, messages), memcache.New(memcache.Config{MaxBytes: 1 << 20})
	names := directory.New(s.store, []cache.Cache{memory}, log)
	cached := directory.NewCachedStore(s.store, memory, log)
	key, err := auth.LoadKey(writeFile(t, "token.key", "a secret of tests that is long enough"))
	must(err)
	verifier, err := auth.NewVerifier(auth.VerifierConfig{Own: key, Log: log})
	must(err)
	keeper, err := lease.Take(ctx, lease.Config{Server: "test", TTL: time.Hour, Registerer: registry, Log: log}, s.store)
	must(err)
	messagesRead := playback.New(playback.Config{Broker: broker, History: messages, Caches: []cache.Cache{memory}, Registerer: registry, Log: log})
	hub, err := live.New(live.DefaultConfig(), live.Deps{
		Broker: broker, Playback: messagesRead, Members: cached, Lease: keeper, Rooms: names,
		Sends:      admission.Sends{Buckets: admission.NewBuckets(admission.Config{})},
		Registerer: registry, Log: log,
	})
	must(err)
	t.Cleanup(func() {
		must(hub.Close())
		messagesRead.Close()
		must(keeper.Release())
		verifier.Close()
		names.Close()
		must(broker.Close())
		must(memory.Close())
		must(messages.Close())
		must(cached.Close())
	})
	cfg := DefaultConfig()
	s.deps = Deps{
		Hub: hub, Store: cached, Broker: broker, Playback: messagesRead, History: messages, Directory: names, Key: key, Verifier: verifier, Hasher: auth.NewHasher(2),
		SignUps: admission.NewBuckets(admission.Config{}), Logins: admission.NewLoginGuard(100), Registry: registry, Log: log,
	}
	if change != nil {
		change(&cfg, &s.deps)
	}
	s.Server, err = New(cfg, s.deps)
	must(err)
	s.room, err = s.store.CreateRoom(ctx, "harbour")
	must(err)
	s.user, err = s.store.CreateUser(ctx, "ann", nil)
	must(err)
	s.token, _, err = key.Sign(s.user.Name, time.Now(), time.Hour)
	must(err)
	return s
}

// listen serves on a port of its own until the test ends, and returns the address.
func (s *stand) listen(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutting down: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return ln.Addr().String()
}

// ask calls the handler as fasthttp does, without a connection. The head is the
// request's lines but for Host and the last, empty one.
func (s *stand) ask(t testing.TB, head, body string) *fasthttp.RequestCtx {
	t.Helper()
	ctx := requestOf(t, head, body)
	s.handle(ctx)
	return ctx
}

// requestOf is a request as fasthttp reads it.
func requestOf(t testing.TB, head, body string) *fasthttp.RequestCtx {
	t.Helper()
	var request fasthttp.Request
	first, rest, _ := strings.Cut(head, "\n")
	lines := []string{first, "Host: breakwater.example"}
	if rest != "" {
		lines = append(lines, strings.Split(rest, "\n")...)
	}
	if body != "" {
		lines = append(lines, "Content-Length: "+strconv.Itoa(len(body)))
	}
	text := strings.Join(append(lines, "", ""), "\r\n") + body
	if err := request.Read(bufio.NewReader(strings.NewReader(text))); err != nil {
		t.Fatalf("reading the request %q: %v", head, err)
	}
	var ctx fasthttp.RequestCtx
	ctx.Init(&request, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1234}, nil)
	return &ctx
}

// talk sends bytes over a connection of their own and returns all that comes
// back until the server closes.
func talk(t testing.TB, address, said string) string {
	t.Helper()
	c := dial(t, address)
	defer c.Close()
	_, _ = io.WriteString(c, said) // it may have been refused before its end
	answer, err := io.ReadAll(c)
	if err != nil && len(answer) == 0 {
		t.Fatalf("reading the answer: %v", err)
	}
	return string(answer)
}

func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// until waits for a condition.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v in vain until %s", patience, what)
		}
	}
}

func writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// problem is what a problem document must have.
type problem struct {
	Status              int
	Title, Detail, Code string
}

// statusOf returns the status of the first response in what a server said.
func statusOf(t testing.TB, answer string) (*http.Response, string) {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
	if err != nil {
		t.Fatalf("got %q, want a response: %v", answer, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("reading the body of %q: %v", answer, err)
	}
	return response, string(body)
}
