package server

import (
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// gate is the listener that fasthttp accepts from. It holds back connections
// that have not sent a byte yet: ten thousand that never speak would each cost
// a goroutine and a buffer there, and cost a descriptor and some hundred bytes here.
// What waits is bounded in number and time; who came first goes first.
type gate struct {
	net.Listener
	poller  *gatePoller
	metrics *metrics
	max     int
	timeout time.Duration
	door    *door         // nil for none
	let     chan net.Conn // of the door
	ready   chan net.Conn
	closed  chan struct{}
	close   func() error // what Close does, once
	err     error        // why accepting ended; read after failed is closed
	failed  chan struct{}
	wg      sync.WaitGroup

	// mu guards the silent connections: by id, and in order of arrival.
	mu     sync.Mutex
	silent map[int32]*silentConn
	order  []*silentConn // may hold some that are not silent any more
	lastID int32
}

// silentConn waits for its first byte.
type silentConn struct {
	net.Conn
	id    int32
	since time.Time
	gone  bool // guarded by gate.mu
}

const (
	readyQueue   = 128
	acceptPause  = 5 * time.Millisecond // after an error of accept
	gateInterval = 500 * time.Millisecond
)

func newGate(ln net.Listener, maxSilent int, timeout time.Duration, d *door, m *metrics) (*gate, error) {
	g := &gate{
		Listener: ln, metrics: m, max: maxSilent, timeout: timeout, door: d,
		ready: make(chan net.Conn, readyQueue), closed: make(chan struct{}), failed: make(chan struct{}),
		silent: make(map[int32]*silentConn),
	}
	if d != nil {
		g.let = d.let
	}
	poller, err := newGatePoller(g)
	if err != nil {
		return nil, err
	}
	g.poller = poller
	g.close = sync.OnceValue(g.end)
	g.wg.Go(g.acceptAll)
	g.wg.Go(g.sweep)
	return g, nil
}

// Accept returns the next connection that has something to say.
func (g *gate) Accept() (net.Conn, error) {
	select {
	case c := <-g.ready:
		return c, nil
	case c := <-g.let:
		return c, nil
	case <-g.failed:
		return nil, g.err
	}
}

// Close stops accepting and closes the connections that were silent. It may be
// called again, and tells the same then.
func (g *gate) Close() error { return g.close() }

func (g *gate) end() error {
	err := g.Listener.Close()
	close(g.closed)
	g.wg.Wait()
	g.poller.close()
	g.evict(func(*silentConn) bool { return true }, gateStopping)
	if g.door != nil {
		g.door.stop()
	}
	for {
		select {
		case c := <-g.ready:
			_ = c.Close()
		default:
			return err
		}
	}
}

func (g *gate) acceptAll() {
	defer close(g.failed)
	for {
		c, err := g.Listener.Accept()
		switch {
		case err == nil:
			g.metrics.accepted.Inc()
			g.hold(c)
		case isShortage(err):
			// Who has said nothing for longest makes room for who may have something to say.
			if !g.evictOldest(gateNoDescriptors) {
				g.pause()
			}
		case isPassing(err):
			g.pause()
		default:
			g.err = err
			return
		}
	}
}

// isShortage says whether what accept(2) lacks may be had by closing something.
func isShortage(err error) bool {
	return isOneOf(err, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM)
}

// isPassing says whether an error of accept(2) is that of the one connection
// which would have been next, or of a network that may come back.
func isPassing(err error) bool {
	return isOneOf(err, syscall.ECONNABORTED, syscall.EINTR, syscall.EPERM, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.EOPNOTSUPP,
		syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH)
}

func isOneOf(err error, errnos ...syscall.Errno) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && slices.Contains(errnos, errno)
}

func (g *gate) pause() {
	select {
	case <-time.After(acceptPause):
	case <-g.closed:
	}
}

// hold keeps a connection until its first byte.
func (g *gate) hold(c net.Conn) {
	g.mu.Lock()
	g.lastID++
	s := &silentConn{Conn: c, id: g.lastID, since: time.Now()}
	g.silent[s.id] = s
	g.order = append(g.order, s)
	over := len(g.silent) > g.max
	g.metrics.silent.Set(float64(len(g.silent)))
	g.mu.Unlock()
	if over {
		g.makeRoom()
	}
	if !g.poller.watch(s) {
		g.spoke(s.id) // it cannot be waited for here: fasthttp does, with its own deadline
	}
}

// makeRoom lets the oldest go. If it has spoken and only waits to be looked at, it is
// passed on, and accepting waits for that: when there is more to do than can be done,
// who does not join waits in the kernel.
func (g *gate) makeRoom() {
	g.mu.Lock()
	if len(g.order) == 0 { // they have all been passed on meanwhile
		g.mu.Unlock()
		return
	}
	oldest := g.order[0]
	g.mu.Unlock()
	if g.poller.hasSpoken(oldest) {
		g.spoke(oldest.id)
		return
	}
	g.evict(func(s *silentConn) bool { return s == oldest }, gateFull)
}

// spoke passes a connection on.
func (g *gate) spoke(id int32) {
	g.mu.Lock()
	s := g.silent[id]
	if s != nil {
		g.drop(s)
	}
	g.mu.Unlock()
	if s == nil {
		return
	}
	g.poller.forget(s)
	if g.door != nil && g.knock(s.Conn) {
		return
	}
	select {
	case g.ready <- s.Conn:
	case <-g.closed:
		_ = s.Close()
	}
}

// peeked is how much of what a connection says first is looked at.
const peeked = 2 << 10

var heads = sync.Pool{New: func() any { return new([peeked]byte) }}

// knock tells whether the connection is the door's, or was refused there and closed.
func (g *gate) knock(c net.Conn) bool {
	head := heads.Get().(*[peeked]byte)
	defer heads.Put(head)
	n := peek(c, head[:])
	refusal, admitted := g.door.knock(c, head[:n])
	if refusal != nil {
		exchange(c, head[:n], refusal)
		_ = c.Close()
	}
	return admitted || refusal != nil
}

// drop is called under mu.
func (g *gate) drop(s *silentConn) {
	s.gone = true
	delete(g.silent, s.id)
	g.metrics.silent.Set(float64(len(g.silent)))
	for len(g.order) > 0 && g.order[0].gone {
		g.order[0] = nil
		g.order = g.order[1:]
	}
	if len(g.order) == 0 {
		g.order = nil
	}
}

func (g *gate) evictOldest(reason string) bool {
	first := true
	return g.evict(func(*silentConn) bool {
		defer func() { first = false }()
		return first
	}, reason) > 0
}

// evict closes the silent connections, oldest first, as long as old says so.
func (g *gate) evict(old func(*silentConn) bool, reason string) int {
	n := 0
	for {
		g.mu.Lock()
		if len(g.order) == 0 || !old(g.order[0]) {
			g.mu.Unlock()
			return n
		}
		s := g.order[0]
		g.drop(s)
		g.mu.Unlock()
		_ = s.Close()
		g.metrics.refused.WithLabelValues(reason).Inc()
		n++
	}
}

// sweep closes what has been silent for too long.
func (g *gate) sweep() {
	ticker := time.NewTicker(gateInterval)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			g.evict(func(s *silentConn) bool { return now.Sub(s.since) >= g.timeout }, gateSilent)
		case <-g.closed:
			return
		}
	}
}
