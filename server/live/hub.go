package live

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/server/admission"
	"github.com/breakwater-chat/breakwater/wire"
)

// Hub holds a server's connections and rooms.
type Hub struct {
	// Static after construction.
	cfg     Config
	deps    Deps
	metrics *metrics
	table   *table
	sched   *scheduler
	poller  *poller
	pages   chan struct{} // holds a token for each page that is read
	members *memberWriter
	told    told[int64] // named notices
	// sends and joins bound what is under way, overload tells when that lasts.
	sends, joins *admission.Limit
	overload     *admission.Overload
	started      time.Time
	ctx          context.Context // ends with Close
	cancel       context.CancelFunc

	nextID   atomic.Int64
	draining atomic.Bool
	pending  atomic.Int64 // sends that are not answered yet
	resting  atomic.Int64 // connections that are not read from after a refusal
	logBytes atomic.Int64 // held by the logs of all rooms at the last look

	// wg counts the goroutines of the hub.
	wg sync.WaitGroup

	// mu guards rooms.
	mu    sync.Mutex
	rooms map[bw.RoomID]*room
}

// Hello says whose a new connection is and what it wants first.
type Hello struct {
	User bw.User
	// TokenExpires is when the connection ends with token_expired.
	TokenExpires time.Time
	// Room is the first room, known to exist.
	Room bw.RoomID
	// Since resumes there; nil asks for the newest messages.
	Since *bw.Position
	// RequestID ties the connection to the log lines of its request.
	RequestID string
}

// New starts a hub. Close stops it.
func New(cfg Config, deps Deps) (*Hub, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	h := &Hub{
		cfg:     cfg,
		deps:    deps,
		metrics: newMetrics(deps.Registerer),
		table:   newTable(cfg.MaxConnections),
		pages:   make(chan struct{}, cfg.MaxPages),
		started: time.Now(),
		rooms:   make(map[bw.RoomID]*room),
		sends:   admission.NewLimit(cfg.SendsUnderWay),
		joins:   admission.NewLimit(cfg.JoinsUnderWay),
	}
	h.overload = admission.NewOverload(h.sends, h.joins)
	h.showLimits(deps.Registerer)
	poller, err := newPoller(h, cfg.Loops)
	if err != nil {
		return nil, err
	}
	h.poller = poller
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.sched = newScheduler()
	h.members = newMemberWriter(h)
	for range cfg.Flushers {
		h.wg.Go(h.sched.run)
	}
	h.wg.Go(h.members.run)
	h.wg.Go(h.sweep)
	return h, nil
}

// errNotStanding is the answer of a server that the others may think dead.
func errNotStanding() error {
	return bw.Unavailablef(nil, "this server was not seen for a while and has to register again; try again")
}

// Admit tells whether a new connection may come, before it costs anything:
// nil, Draining, Unavailable or Overloaded. A refusal is counted.
func (h *Hub) Admit() error {
	err := h.Ready()
	if err != nil {
		h.metrics.refusals.WithLabelValues(string(bw.KindOf(err))).Inc()
	}
	return err
}

// Ready tells whether a connection that came now would be admitted.
func (h *Hub) Ready() error {
	switch {
	case h.draining.Load():
		return bw.Errorf(bw.Draining, "this server is about to stop; another one will take you")
	case !h.deps.Lease.Standing():
		return errNotStanding()
	case h.table.full():
		return bw.Errorf(bw.Overloaded, "this server has as many connections as it can hold")
	case h.crowded():
		return bw.Errorf(bw.Overloaded, "too many connections are slow to take what waits for them")
	}
	return nil
}

// crowded tells whether more waits in the outboxes than the server has memory for.
func (h *Hub) crowded() bool { return h.metrics.queued.Load() > int64(h.cfg.MaxQueued) }

// Hold counts an answer that waits outside of any connection of the hub, until
// release is called; once is enough, more do nothing.
func (h *Hub) Hold(bytes int) (release func()) {
	h.metrics.queued.Add(int64(bytes))
	return sync.OnceFunc(func() { h.metrics.queued.Add(-int64(bytes)) })
}

// TakeTurn waits until a page of messages may be read; release lets the next one
// begin. It fails with Unavailable when ctx ends first, or while the answers that
// wait for slow clients hold too much memory.
func (h *Hub) TakeTurn(ctx context.Context) (release func(), err error) {
	select {
	case h.pages <- struct{}{}:
	case <-ctx.Done():
		return nil, bw.Unavailablef(ctx.Err(), "too many pages are being read; try again")
	}
	if h.crowded() {
		<-h.pages
		return nil, errCrowded()
	}
	return func() { <-h.pages }, nil
}

func errCrowded() error {
	return bw.Unavailablef(nil, "too many connections are slow to take what waits for them; try again")
}

// Adopt takes over a connection whose 101 has been written: a *net.TCPConn moves
// to epoll where there is one, everything else is served by two goroutines.
// pipelined are the bytes that came behind the request. It returns once the
// first join is answered or has failed.
func (h *Hub) Adopt(nc net.Conn, pipelined []byte, hello Hello) {
	c := &conn{
		hub:     h,
		user:    hello.User.ID,
		name:    hello.User.Name,
		id:      bw.ConnectionID(h.nextID.Add(1)),
		expires: hello.TokenExpires.Unix(),
	}
	c.heard.Store(h.tick())
	c.holds.Store(holdRequest)
	c.paused.Store(true) // reading begins when the last of the first join's holds ends
	if !h.table.reserve(c) {
		// It was full between Admit and here.
		_, _ = nc.Write(wire.AppendCloseFrame(nil, wire.CloseOverloaded, wire.CloseOverloaded.String()))
		_ = nc.Close()
		return
	}
	h.metrics.connections.Inc()
	if err := h.attach(c, nc); err != nil {
		h.deps.Log.Warn("taking over a connection", "error", err, "request", hello.RequestID)
		_ = nc.Close()
		h.table.remove(c)
		h.metrics.connections.Dec()
		h.metrics.closed(0)
		return
	}
	c.keep(pipelined) // before an event of the slot's former owner reads what comes behind it
	h.table.show(c)
	if h.draining.Load() {
		c.closeWith(wire.CloseDraining, "")
	}
	c.firstJoin(hello)
	c.release(holdRequest)
	c.link.start(c)
}

// Send stores a message for a user who sends it by HTTP. The error is a *breakwater.Error.
func (h *Hub) Send(ctx context.Context, user bw.Name, s broker.Send) (broker.Ack, error) {
	if wait, ok := h.deps.Sends.Allow(user); !ok {
		return broker.Ack{}, rateLimited(wait)
	}
	type answer struct {
		ack broker.Ack
		err error
	}
	answers := make(chan answer, 1)
	h.send(s, func(ack broker.Ack, err error) { answers <- answer{ack, err} })
	select {
	case a := <-answers:
		return a.ack, a.err
	case <-ctx.Done():
		return broker.Ack{}, bw.Unavailablef(ctx.Err(), "the message was not stored in time; send it again with the same id")
	}
}

// send counts a send while it is under way, so that a drain can wait for it. A server
// without standing stores nothing: sending again, with the same id, is safe.
func (h *Hub) send(s broker.Send, done func(broker.Ack, error)) {
	if !h.deps.Lease.Standing() {
		done(broker.Ack{}, errNotStanding())
		return
	}
	if !h.sends.Enter(false) {
		done(broker.Ack{}, errBusy())
		return
	}
	h.pending.Add(1)
	began := time.Now()
	h.deps.Broker.Send(s, func(ack broker.Ack, err error) {
		if err == nil && !ack.Duplicate {
			h.metrics.messagesIn.Inc()
		}
		h.metrics.ackLatency.Observe(time.Since(began).Seconds())
		h.sends.Leave(err == nil)
		done(ack, err)
		h.pending.Add(-1)
	})
}

func rateLimited(wait time.Duration) error {
	err := bw.Errorf(bw.RateLimited, "you send faster than this server allows")
	err.RetryAfter = wait
	return err
}

// Close ends all connections at once and waits for the hub's goroutines. A
// server that stops in good order calls Drain before. Memberships stay with the
// incarnation: whoever ends it ends them.
func (h *Hub) Close() error {
	h.draining.Store(true)
	for c := range h.table.all() {
		c.end(wire.CloseGoingAway)
	}
	h.cancel()
	h.members.stop()
	h.closeRooms()
	h.sched.stop()
	err := h.poller.close()
	h.wg.Wait()
	return err
}
