package swarm

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"time"
)

// errEOF is an end without a close frame.
var errEOF = errors.New("the connection ended")

// Target is a server.
type Target struct {
	// Host goes into the Host header.
	Host string
	// Addresses are where it listens; connections take turns.
	Addresses []netip.AddrPort
	// TLS is how it is to be spoken to, with its ServerName; nil is without TLS.
	TLS *tls.Config
}

// Config says where connections go and how many are made at a time.
type Config struct {
	// Targets are equal; connections take turns, and come back to the next one.
	Targets []Target
	// Sources are local addresses to connect from, in turns; none leaves it to the system.
	Sources []netip.Addr
	// Handshakes is how many of the connections that Open makes may be unfinished at a
	// time. Those that come back do not wait for each other.
	Handshakes int
	Clock      Clock
	// Random decides the jitter.
	Random *rand.Rand
}

// Handler is who the connections belong to. Connections are numbered from 0 in the order in
// which they were opened.
type Handler interface {
	// Request is asked before each attempt.
	Request(conn int) Request
	// Text is the payload of a text frame, good until it returns.
	Text(conn int, payload []byte)
	// Ended tells of every end of a connection and of every attempt that failed. Unless it
	// is final the connection comes back by itself.
	Ended(conn int, end End)
}

// Bounds of a connection.
const (
	handshakeTimeout = 15 * time.Second
	// silence is longer than two of the server's pings are apart.
	silence = 60 * time.Second
	// readSize is the size of the read buffers at first, in bytes.
	readSize = 256 << 10
	// sweepEvery is how often connections are looked at for the two timeouts.
	sweepEvery = time.Second
)

// Swarm is many connections.
type Swarm struct {
	cfg     Config
	handler Handler
	poller  *poller
	timers  timers

	conns []*conn
	// byFD finds the connection of a descriptor.
	byFD []*conn
	// opening is the next connection that was not begun yet; unready those that were and
	// that nobody has called ready.
	opening, unready int
	live             int
	attempts         int

	now    time.Duration
	busy   time.Duration
	buffer []byte
	sealed []byte // what was read of a connection with TLS
	frame  []byte // the frame that is being written
}

// New makes a swarm without connections. The caller closes it.
func New(cfg Config, handler Handler) (*Swarm, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	s := &Swarm{cfg: cfg, handler: handler, poller: p, buffer: make([]byte, readSize), sealed: make([]byte, readSize), now: cfg.Clock.Now()}
	s.After(sweepEvery, s.sweep)
	return s, nil
}

// Open adds n connections, which are made as Handshakes allows.
func (s *Swarm) Open(n int) {
	for range n {
		s.conns = append(s.conns, &conn{swarm: s, index: len(s.conns), fd: -1, opening: true})
	}
}

// Ready says that a connection has got as far as its owner wants: the next one may be opened.
func (s *Swarm) Ready(conn int) { s.conns[conn].opened() }

// Began is when the present life of a connection, or the attempt at it, began.
func (s *Swarm) Began(conn int) time.Duration { return s.conns[conn].began }

// Now is the time of the host's clock at which the bytes in hand were read.
func (s *Swarm) Now() time.Duration { return s.now }

// Live is how many connections are upgraded now.
func (s *Swarm) Live() int { return s.live }

// Busy is how long the loop has worked, waiting left out: near to the time that has passed
// the generator is the bottleneck.
func (s *Swarm) Busy() time.Duration { return s.busy }

// After does something in a while, from within Poll.
func (s *Swarm) After(d time.Duration, do func()) { s.timers.add(s.now+d, do) }

// Poll handles what happens, at least once, and returns as soon as something did, at the
// latest at that time of the clock. An error is one of the generator, not of a connection:
// too few descriptors, say.
func (s *Swarm) Poll(until time.Duration) error {
	began := s.cfg.Clock.Now()
	if err := s.open(); err != nil {
		return err
	}
	until = s.timers.next(until)
	asleep := s.cfg.Clock.Now()
	events, err := s.poller.wait(until - asleep)
	if err != nil {
		return err
	}
	s.now = s.cfg.Clock.Now()
	asleep = s.now - asleep
	for _, e := range events {
		if c := s.byFD[e.fd]; c != nil && c.generation == e.generation {
			c.happened(e)
		}
	}
	s.timers.run(s.now)
	s.now = s.cfg.Clock.Now()
	s.busy += s.now - began - asleep
	return nil
}

// open begins as many connections as may be unfinished.
func (s *Swarm) open() error {
	for ; s.opening < len(s.conns) && s.unready < s.cfg.Handshakes; s.opening++ {
		s.unready++
		if err := s.begin(s.conns[s.opening]); err != nil {
			return err
		}
	}
	return nil
}

// begin makes an attempt at a connection.
func (s *Swarm) begin(c *conn) error {
	target := &s.cfg.Targets[s.attempts%len(s.cfg.Targets)]
	to := target.Addresses[s.attempts/len(s.cfg.Targets)%len(target.Addresses)]
	var from netip.Addr
	if len(s.cfg.Sources) > 0 {
		from = s.cfg.Sources[s.attempts%len(s.cfg.Sources)]
	}
	s.attempts++
	c.generation++
	fd, err := s.poller.connect(to, from, c.generation)
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("connection %d: %w", c.index, err)
	case err != nil:
		c.over(failed(err, false))
		return nil
	}
	for len(s.byFD) <= fd {
		s.byFD = append(s.byFD, nil)
	}
	s.byFD[fd] = c
	c.begun(fd, target)
	return nil
}

// Cut ends all connections at once by a reset, as the loss of their network would; they
// come back by themselves.
func (s *Swarm) Cut() {
	for _, c := range s.conns {
		if c.fd >= 0 {
			c.drop(End{Reason: ReasonCut}, true)
		}
	}
}

// sweep ends connections that are silent, or not upgraded, for too long.
func (s *Swarm) sweep() {
	for _, c := range s.conns {
		switch {
		case c.fd < 0:
		case c.state != live && s.now-c.since > handshakeTimeout:
			c.drop(End{Reason: ReasonTimeout, Detail: fmt.Sprintf("no answer to the join within %v", handshakeTimeout)}, true)
		case c.state == live && s.now-c.heard > silence:
			c.drop(End{Reason: ReasonSilent}, true)
		}
	}
	s.After(sweepEvery, s.sweep)
}

// Close ends all connections, those that are upgraded by a close frame.
func (s *Swarm) Close() error {
	for _, c := range s.conns {
		c.leave()
	}
	return s.poller.close()
}
