package server

import (
	"container/list"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
)

// readers are the connections of HTTP that fasthttp reads from.
type readers struct {
	// reading are those that have begun a request and not finished it: each holds a
	// goroutine and a buffer. idle are those that rest between requests: each
	// holds a goroutine, and a descriptor that others need.
	reading, idle *waiting
}

func newReaders(mostReading, mostIdle int, m *metrics) *readers {
	return &readers{
		reading: newWaiting(mostReading, m.refused.WithLabelValues(refusedSlow)),
		idle:    newWaiting(mostIdle, m.refused.WithLabelValues(refusedIdle)),
	}
}

// follow is told by fasthttp what a connection is about.
func (r *readers) follow(c net.Conn, state fasthttp.ConnState) {
	r.reading.done(c)
	r.idle.done(c)
	switch state {
	case fasthttp.StateActive:
		r.reading.begin(c)
	case fasthttp.StateIdle:
		r.idle.begin(c)
	}
}

// waiting are connections whose peers are waited for. They are bounded in number:
// over it, who has been at it for longest is told that his time is over.
type waiting struct {
	max     int
	refused prometheus.Counter

	// mu guards the rest.
	mu    sync.Mutex
	order list.List // of waiter, in the order of their beginnings
	at    map[net.Conn]*list.Element
}

type waiter struct {
	conn  net.Conn
	since time.Time
}

// patientFor is how long a peer may take whatever else goes on: one that waits
// for its turn on a busy machine is not slow.
const patientFor = 100 * time.Millisecond

func newWaiting(most int, refused prometheus.Counter) *waiting {
	return &waiting{max: most, refused: refused, at: make(map[net.Conn]*list.Element)}
}

// begin notes that a connection is waited for from now on.
func (w *waiting) begin(c net.Conn) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at[c] = w.order.PushBack(waiter{c, now})
	for w.order.Len() > w.max {
		first := w.order.Front().Value.(waiter)
		if now.Sub(first.since) < patientFor {
			return
		}
		w.remove(first.conn)
		w.refused.Inc()
		// Under mu: after done, the connection is a handler's, who may give it away.
		hurry(first.conn)
	}
}

// done notes that what was waited for has come, or never will.
func (w *waiting) done(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(c)
}

// remove is called under mu.
func (w *waiting) remove(c net.Conn) {
	if element := w.at[c]; element != nil {
		w.order.Remove(element)
		delete(w.at, c)
	}
}

// stop ends the patience with all: the server is about to stop.
func (w *waiting) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.at {
		hurry(c)
	}
}

// hurry makes the read that is under way fail as too late: a request that was
// begun is answered as such, an idle connection is closed.
func hurry(c net.Conn) {
	_ = c.SetReadDeadline(time.Unix(1, 0)) // fails only for one that has ended
}
