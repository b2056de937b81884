package drill

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// busy is a crowd that says more than a client that does not read can be owed.
var busy = size{people: 9, rooms: 1, talkers: 5, every: 25 * time.Millisecond, text: 4000}

// readers are the kinds of slow people, by their number in the crowd: the last of them.
const (
	sleepers = 2 // read nothing until they are woken
	dawdlers = 2 // read a little at a time
)

// slowDialers gives the last people connections that are slow to read.
func (r *run) slowDialers() func(person int) dialer {
	return func(person int) dialer {
		switch from := r.crowd.size.people - 1 - person; {
		case from < sleepers:
			return r.lazily(person, 0)
		case from < sleepers+dawdlers:
			return r.lazily(person, 350<<10)
		default:
			return nil
		}
	}
}

// window is the receive buffer of a slow connection, in bytes: so small that the server
// soon notices, and so big that it holds more than one segment of a loopback.
const window = 128 << 10

// lazily dials connections whose reader can be made slow. They lead to the servers
// themselves: nginx and its two sockets hold more than such a crowd says in a minute.
func (r *run) lazily(person, perSecond int) dialer {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		address := r.cluster.Servers[person%servers].Address()
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(window) // if the system does not want to it takes longer
		}
		return &lazy{Conn: conn, laziness: &r.laziness, perSecond: perSecond, gone: make(chan struct{})}, nil
	}
}

// Where connections lead is not known, but who is slow is: the one kind may be taken for
// lost while it does not read, the other may not.
const (
	slowPlace  = "slow"
	quickPlace = "quick"
)

// laziness is when lazy connections are lazy.
type laziness struct {
	mu    sync.Mutex
	awake chan struct{} // nil while nobody is lazy; closed when all are woken
}

func (l *laziness) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.awake = make(chan struct{})
}

func (l *laziness) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.awake != nil {
		close(l.awake)
		l.awake = nil
	}
}

func (l *laziness) until() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.awake
}

// lazy is a connection that is read at most so fast while there is laziness.
type lazy struct {
	net.Conn
	*laziness
	perSecond int // bytes; 0 is not at all
	once      sync.Once
	gone      chan struct{}
}

// Read implements net.Conn.
func (l *lazy) Read(p []byte) (int, error) {
	if awake := l.until(); awake != nil {
		var rested <-chan time.Time
		if l.perSecond > 0 {
			rested = time.After(time.Second * time.Duration(len(p)) / time.Duration(l.perSecond))
		}
		select {
		case <-awake:
		case <-rested:
		case <-l.gone:
		}
	}
	return l.Conn.Read(p)
}

// Close implements net.Conn.
func (l *lazy) Close() error {
	l.once.Do(func() { close(l.gone) })
	return l.Conn.Close()
}

// slowClients: who reads nothing is closed and who reads slowly is told gaps, and the
// others get everything in time.
func slowClients(ctx context.Context, r *run) error {
	gapsBefore, closedBefore, cuts := r.slowMetric(ctx, gaps), r.slowMetric(ctx, closes), r.quickCuts()
	end, err := r.begin(ctx, fault{
		name: "some do not read", on: "clients", server: slowPlace,
		begin: func(context.Context, *ground) error { r.laziness.begin(); return nil },
		end:   func(context.Context, *ground) error { r.laziness.end(); return nil },
	})
	if err != nil {
		return err
	}
	// A busy machine may close them all before one takes enough to be told a gap.
	err = await(ctx, 90*time.Second, "slow clients to be told a gap", func() error {
		if r.slowMetric(ctx, gaps) <= gapsBefore {
			return errors.New("none was")
		}
		return nil
	})
	told, closed := r.slowMetric(ctx, gaps)-gapsBefore, r.slowMetric(ctx, closes)-closedBefore
	r.check(told+closed > 0, "slow clients are told a gap or closed", "%v gaps were told and %v closed; %v", told, closed, err)
	r.laziness.end()
	heads, _ := r.record.newest()
	caughtUp := await(ctx, time.Minute, "slow clients to have what they missed", func() error {
		return r.crowd.all(func(s *seat) error { return s.reached(heads) })
	})
	r.check(caughtUp == nil, "who reads on gets what he missed", "got %v", caughtUp)
	if err := end(); err != nil {
		return err
	}
	n := r.quickCuts() - cuts
	r.check(n == 0, "no other connection is cut", "%d were", n)
	return r.back(ctx, 20*time.Second)
}

// What servers count of slow clients, by the reasons that are told.
const (
	gaps   = "breakwater_slow_gaps_total"
	closes = "breakwater_closes_total"
)

// slowMetric sums one up; what cannot be read counts for nothing.
func (r *run) slowMetric(ctx context.Context, name string) (sum float64) {
	reason := ""
	if name == closes {
		reason = "slow_consumer"
	}
	for i := range r.cluster.Servers {
		n, err := r.metric(ctx, i, name, reason)
		if err == nil {
			sum += n
		}
	}
	return sum
}

// quickCuts counts the cuts of those who read as they should.
func (r *run) quickCuts() (n int) {
	for _, s := range r.crowd.seats {
		if s.place != slowPlace {
			n += s.cut()
		}
	}
	return n
}
