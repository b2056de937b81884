package server

import (
	"container/list"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// readers are the connections that have begun a request and not finished it.
// Each holds a goroutine and a buffer, so those that take long are bounded in
// number: over it, who has been at it for longest is told that his time is over.
type readers struct {
	max     int
	metrics *metrics

	// mu guards the rest.
	mu    sync.Mutex
	order list.List // of reader, in the order of their beginnings
	at    map[net.Conn]*list.Element
}

type reader struct {
	conn  net.Conn
	since time.Time
}

// patientFor is how long a request may take whatever else goes on: one that
// waits for its turn on a busy machine is not slow.
const patientFor = 100 * time.Millisecond

func newReaders(most int, m *metrics) *readers {
	return &readers{max: most, metrics: m, at: make(map[net.Conn]*list.Element)}
}

// follow is told by fasthttp what a connection is about.
func (r *readers) follow(c net.Conn, state fasthttp.ConnState) {
	if state == fasthttp.StateActive {
		r.begin(c)
	} else {
		r.done(c)
	}
}

// begin notes that the first byte of a request has come.
func (r *readers) begin(c net.Conn) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at[c] = r.order.PushBack(reader{c, now})
	if first := r.order.Front().Value.(reader); r.order.Len() > r.max && now.Sub(first.since) >= patientFor {
		r.remove(first.conn)
		r.metrics.refused.WithLabelValues(refusedSlow).Inc()
		// Under mu: after done, the connection is a handler's, who may give it away.
		hurry(first.conn)
	}
}

// done notes that a request is whole, or will never be.
func (r *readers) done(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(c)
}

// remove is called under mu.
func (r *readers) remove(c net.Conn) {
	if element := r.at[c]; element != nil {
		r.order.Remove(element)
		delete(r.at, c)
	}
}

// stop ends the patience with all: the server is about to stop.
func (r *readers) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.at {
		hurry(c)
	}
}

// hurry makes the read that is under way fail as too late, which is answered as such.
func hurry(c net.Conn) {
	_ = c.SetReadDeadline(time.Unix(1, 0)) // fails only for one that has ended
}
