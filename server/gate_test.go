package server

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// holdsBack says whether the system has what silent connections wait on.
const holdsBack = runtime.GOOS == "linux"

// testGate is a gate on a port of its own, with what came out of it.
type testGate struct {
	*gate
	t        *testing.T
	registry *prometheus.Registry
	accepted chan net.Conn
	failed   chan error
}

func openGate(t *testing.T, ln net.Listener, maxSilent int, timeout time.Duration) *testGate {
	t.Helper()
	if ln == nil {
		var err error
		if ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	registry := prometheus.NewRegistry()
	g, err := newGate(ln, maxSilent, timeout, nil, newMetrics(registry))
	if err != nil {
		t.Fatal(err)
	}
	opened := &testGate{gate: g, t: t, registry: registry, accepted: make(chan net.Conn, 100), failed: make(chan error, 1)}
	go func() {
		for {
			c, err := g.Accept()
			if err != nil {
				opened.failed <- err
				return
			}
			opened.accepted <- c
		}
	}()
	t.Cleanup(func() { _ = g.Close() })
	return opened
}

// dial connects and waits until the gate holds so many silent connections.
func (g *testGate) dial(silent int) net.Conn {
	g.t.Helper()
	c := dial(g.t, g.Addr().String())
	g.until("a connection is held", silent)
	return c
}

func (g *testGate) until(what string, silent int) {
	g.t.Helper()
	until(g.t, what, func() bool { return g.metric("breakwater_silent_connections", "") == silent })
}

func (g *testGate) refused(reason string) int {
	return g.metric("breakwater_refused_connections_total", reason)
}

func (g *testGate) metric(name, label string) int {
	g.t.Helper()
	return metricOf(g.t, g.registry, name, label)
}

// metricOf is the value of a metric with that label, 0 if there is none yet.
func metricOf(t *testing.T, registry *prometheus.Registry, name, label string) int {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return int(m.GetGauge().GetValue() + m.GetCounter().GetValue())
			}
		}
	}
	return 0
}

// next is the next connection that the gate lets through.
func (g *testGate) next() net.Conn {
	g.t.Helper()
	select {
	case c := <-g.accepted:
		g.t.Cleanup(func() { _ = c.Close() })
		return c
	case <-time.After(patience):
		g.t.Fatalf("no connection came through in %v", patience)
		return nil
	}
}

// closed waits for the end of a connection.
func closed(t *testing.T, name string, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the %s connection: read %d bytes and error %v, want its end", name, n, err)
	}
}

// echoes says whether a connection that speaks now comes through, byte for byte.
func (g *testGate) echoes(name string, c net.Conn) {
	g.t.Helper()
	if _, err := io.WriteString(c, name); err != nil {
		g.t.Fatalf("the %s connection: %v", name, err)
	}
	got := make([]byte, len(name))
	if _, err := io.ReadFull(g.next(), got); err != nil || string(got) != name {
		g.t.Errorf("the %s connection: got %q and error %v, want its own first bytes", name, got, err)
	}
}

func TestGateHoldsBackWhoIsSilent(t *testing.T) {
	if !holdsBack {
		t.Log("connections are passed on at once on this system")
		return
	}
	g := openGate(t, nil, 10, time.Hour)
	first, second := g.dial(1), g.dial(2)
	if n := len(g.accepted); n != 0 {
		t.Errorf("%d silent connections came through, want none", n)
	}
	g.echoes("second", second)
	g.until("who spoke is not silent", 1)
	g.echoes("first", first)
	g.until("nobody is silent", 0)
}

func TestGateEndsAConnectionThatLeavesInSilence(t *testing.T) {
	g := openGate(t, nil, 10, time.Hour)
	if err := g.dial(1).Close(); err != nil {
		t.Fatal(err)
	}
	// fasthttp is given it, reads its end, and closes it.
	if n, err := g.next().Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes and error %v, want its end", n, err)
	}
	g.until("nobody is silent", 0)
}

func TestGateEvictsTheOldest(t *testing.T) {
	g := openGate(t, nil, 2, time.Hour)
	first, second := g.dial(1), g.dial(2)
	g.echoes("first", first) // who has spoken is not evicted
	g.until("one is silent", 1)
	third := g.dial(2)
	fourth := dial(t, g.Addr().String())
	closed(t, "second", second)
	g.until("two are silent", 2)
	g.echoes("third", third)
	g.echoes("fourth", fourth)
	until(t, "one is counted", func() bool { return g.refused("too_many_silent") == 1 })
}

// TestGateLosesNobodyWhoHasSpoken: nothing is taken out of it for a while, and more
// than it may hold back have something to say.
func TestGateLosesNobodyWhoHasSpoken(t *testing.T) {
	const most, crowd = 5, 3 * readyQueue
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGate(ln, most, patience, nil, newMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close() }()
	for range crowd {
		if _, err := dial(t, ln.Addr().String()).Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the gate is full", func() bool { return len(g.ready) == readyQueue })
	stop := time.AfterFunc(patience, func() { _ = g.Close() })
	defer stop.Stop()
	for n := range crowd {
		c, err := g.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Errorf("connection %d of %d: got %v, want what it has said", n, crowd, err)
		}
		_ = c.Close()
	}
}

func TestGateEndsSilenceInTime(t *testing.T) {
	g := openGate(t, nil, 10, time.Millisecond)
	// On the way they may end before they are seen to be held.
	first, second := dial(t, g.Addr().String()), dial(t, g.Addr().String())
	closed(t, "first", first)
	closed(t, "second", second)
	g.until("nobody is silent", 0)
	until(t, "both are counted", func() bool { return g.refused("silent") == 2 })
}

func TestGateClosesWhatIsSilent(t *testing.T) {
	g := openGate(t, nil, 10, time.Hour)
	first, second := g.dial(1), g.dial(2)
	if err := g.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	closed(t, "first", first)
	closed(t, "second", second)
	select {
	case err := <-g.failed:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: got %v, want net.ErrClosed", err)
		}
	case <-time.After(patience):
		t.Error("Accept goes on after Close")
	}
	if c, err := net.Dial("tcp", g.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("the port is still open after Close")
	}
}

// TestGateClosesWhatNobodyAccepts fills the queue of those that have spoken.
func TestGateClosesWhatNobodyAccepts(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGate(ln, 1_000, time.Hour, nil, newMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	var all []net.Conn
	for range readyQueue + 20 {
		c := dial(t, ln.Addr().String())
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	until(t, "the queue is full", func() bool { return len(g.ready) == readyQueue })
	if err := g.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	for _, c := range all {
		closed(t, "unaccepted", c)
	}
}

// scripted is a listener that fails as it is told between what it accepts.
type scripted struct {
	net.Listener
	mu     sync.Mutex // guards the rest
	errors []error
	failed int
}

func (l *scripted) fail(errs ...error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errors = append(l.errors, errs...)
}

func (l *scripted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.errors) == 0 {
		return c, nil
	}
	err = l.errors[0]
	l.errors = l.errors[1:]
	l.failed++
	_ = c.Close()
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept", err)}
}

func newScripted(t *testing.T) *scripted {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &scripted{Listener: ln}
}

func TestGateMakesRoomWhenDescriptorsAreExhausted(t *testing.T) {
	for _, shortage := range []error{syscall.EMFILE, syscall.ENFILE} {
		t.Run(shortage.Error(), func(t *testing.T) {
			ln := newScripted(t)
			g := openGate(t, ln, 10, time.Hour)
			first, second := g.dial(1), g.dial(2)
			ln.fail(shortage)
			closed(t, "refused", dial(t, g.Addr().String()))
			closed(t, "first", first)
			g.until("one is silent", 1)
			g.echoes("second", second)
			until(t, "one is counted", func() bool { return g.refused("no_descriptors") == 1 })
			// Nobody is silent now: it waits instead, and goes on.
			ln.fail(shortage, shortage)
			closed(t, "refused", dial(t, g.Addr().String()))
			closed(t, "refused", dial(t, g.Addr().String()))
			g.echoes("last", dial(t, g.Addr().String()))
		})
	}
}

// TestGateOutlivesWhatAcceptMayReport has the errors that accept(2) names as
// those of the one connection, or of the moment.
func TestGateOutlivesWhatAcceptMayReport(t *testing.T) {
	passing := []error{
		syscall.ECONNABORTED, syscall.EINTR, syscall.EPROTO, syscall.ENETDOWN, syscall.ENOPROTOOPT, syscall.EHOSTDOWN,
		syscall.EHOSTUNREACH, syscall.EOPNOTSUPP, syscall.ENETUNREACH, syscall.EPERM, syscall.ENOBUFS, syscall.ENOMEM,
	}
	for _, err := range passing {
		t.Run(err.Error(), func(t *testing.T) {
			ln := newScripted(t)
			g := openGate(t, ln, 10, time.Hour)
			ln.fail(err)
			closed(t, "refused", dial(t, g.Addr().String()))
			c := dial(t, g.Addr().String())
			_, _ = io.WriteString(c, "x")
			select {
			case accepted := <-g.accepted:
				_ = accepted.Close()
			case err := <-g.failed:
				t.Errorf("the gate gave up: %v", err)
			}
		})
	}
}

// TestServeEndsWithItsListener has an error that no waiting mends.
func TestServeEndsWithItsListener(t *testing.T) {
	s := newStand(t, nil)
	ln := newScripted(t)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	ln.fail(syscall.EBADF)
	closed(t, "refused", dial(t, ln.Addr().String()))
	select {
	case err := <-served:
		if !errors.Is(err, syscall.EBADF) {
			t.Errorf("got %v, want the listener's error", err)
		}
	case <-time.After(patience):
		t.Fatal("Serve goes on")
	}
	if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("the port is still open after Serve")
	}
}

// TestGateKeepsOrderAmongMany evicts in order of arrival, whoever has spoken.
func TestGateKeepsOrderAmongMany(t *testing.T) {
	const many = 50
	g := openGate(t, nil, many, time.Hour)
	conns := make([]net.Conn, many)
	for i := range conns {
		conns[i] = g.dial(i + 1)
	}
	for i := range conns {
		if i%2 == 1 {
			g.echoes("odd", conns[i])
		}
	}
	g.until("half are silent", many/2)
	for range 5 {
		g.evictOldest("too_many_silent")
	}
	var gone []int
	for i := 0; i < many; i += 2 {
		_ = conns[i].SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if i > 14 {
			break
		}
		if _, err := conns[i].Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			gone = append(gone, i)
		}
	}
	if want := []int{0, 2, 4, 6, 8}; !slices.Equal(gone, want) {
		t.Errorf("evicted: got %v, want the oldest silent ones %v", gone, want)
	}
}
