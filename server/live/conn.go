package live

import (
	"sync"
	"sync/atomic"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// link is the socket under a connection.
type link interface {
	// start begins to read; what the connection was told before stands already.
	start(c *conn)
	// write writes as much as fits. n short of the whole with a nil error means
	// that the socket takes no more now. Called by one goroutine at a time.
	write(bufs [][]byte) (n int, err error)
	// direct tells whether write never blocks, so that any goroutine may flush.
	direct() bool
	// nudge wakes the goroutines of a link that is not direct: there is
	// something to write, or reading may go on.
	nudge()
	// watch says what to wait for from now on. Called under conn.mu.
	watch(in, out bool)
	// finishWriting tells the peer that nothing more comes.
	finishWriting()
	// abort makes reads and writes that are under way return soon.
	abort()
	// close gives the socket back; nothing is called after it.
	close()
}

// Reasons not to read from a connection.
const (
	holdRequest = 1 << iota // its first join is being worked on, or too much waits for others
	holdQueue               // its answers pile up
	holdSends               // it has too many sends under way
	holdBusy                // sends of its own were just refused: the server has too much to do
	holdDrain               // the server is about to close it
)

// phase is how far a connection's life has come.
type phase uint8

const (
	open    phase = iota
	closing       // a close frame is queued or written; nothing else is accepted
	ended         // the socket is dead; it is given back when nobody uses it
	gone          // it was given back
)

// Uses of the socket that keep it from being given back.
const (
	writing = 1 << iota
	reading
)

// closeGrace is how long a peer may take to answer a close frame.
const closeGrace = 2 * time.Second

// conn is one WebSocket connection. While it is idle this struct, a member for
// each of its rooms, its link, and its slots are all that it costs.
type conn struct {
	// Static after construction.
	hub     *Hub
	link    link
	user    bw.UserID
	name    bw.Name
	id      bw.ConnectionID
	expires int64 // Unix seconds
	slot    int32

	// heard is the tick of the last bytes from the peer, pinged that of the
	// last ping; both only roughly ordered with what else happens.
	heard, pinged atomic.Uint32
	// holds are the reasons not to read on.
	holds atomic.Uint32
	// paused is set when reading, or a frame that was read, waits for the end of a hold.
	paused atomic.Bool
	// sends counts those that are under way.
	sends atomic.Int32

	job jobState // guarded by the scheduler

	// in is nil between frames. Guarded by readMu, which is held while frames
	// are worked on, so that they are worked on in their order.
	readMu sync.Mutex
	in     *inbox

	// The rest is guarded by mu.
	mu         sync.Mutex
	rooms      []*member
	out        *outbox   // nil when nothing waits
	requests   *requests // nil when nothing waits
	phase      phase
	uses       uint8
	armed      bool // waits until the socket takes more
	peerClosed bool // the peer has sent its close frame
	finished   bool // our close frame is written
	code       wire.CloseCode
	since      uint32 // tick at which the socket took no more, the close began, or our close frame was written
}

// member is a connection in a room.
type member struct {
	conn *conn
	room *room
	// index is the member's place in the room. Guarded by room.mu.
	index int
	// cursor is the offset in the room's log up to which everything was written;
	// skips are parts of the log that are not for this member. Guarded by conn.mu.
	cursor uint64
	skips  []span
	// missing is the seq of the first message at or behind the offset missingAt, to
	// be known when the log has overtaken the cursor there.
	missing   bw.Seq
	missingAt uint64
}

// span is a part of a room's log, frame by frame.
type span struct{ start, end uint64 }

func (c *conn) place() *jobState { return &c.job }

// work is what the connection asked the scheduler for: to be written to, or to
// go on with what it had sent.
func (c *conn) work() {
	if !c.link.direct() {
		c.link.nudge()
	} else {
		c.flush(false)
	}
	c.goOn()
	c.resume()
}

// hold adds a reason not to read on.
func (c *conn) hold(reason uint32) { c.holds.Or(reason) }

// release takes a reason away; if it was the last, what came meanwhile is worked on soon.
func (c *conn) release(reason uint32) {
	if c.holds.And(^reason)&reason != 0 {
		c.hub.sched.add(c)
	}
}

// closeWith begins the end of the connection: it leaves its rooms, and a
// close frame goes out behind the answers that wait already.
func (c *conn) closeWith(code wire.CloseCode, detail string) {
	reason := code.String()
	if detail != "" {
		reason += ": " + detail
	}
	c.mu.Lock()
	if c.phase != open {
		c.mu.Unlock()
		return
	}
	c.beginClosing(code)
	c.queue(wire.AppendCloseFrame(nil, code, reason))
	rooms := c.leaveRooms()
	c.mu.Unlock()
	c.depart(rooms)
	c.hub.sched.add(c)
}

// answerClose ends the connection as the peer asked for: its close frame is
// answered with the same code, then the socket is closed.
func (c *conn) answerClose(code wire.CloseCode) {
	c.mu.Lock()
	c.peerClosed = true
	var rooms []*member
	if c.phase == open {
		c.beginClosing(code)
		c.queue(wire.AppendCloseFrame(nil, code, ""))
		rooms = c.leaveRooms()
	}
	c.mu.Unlock()
	c.depart(rooms)
	c.hub.sched.add(c)
}

// beginClosing is called under mu.
func (c *conn) beginClosing(code wire.CloseCode) {
	c.phase = closing
	c.code = code
	c.since = c.hub.tick()
	c.watch()
}

// end gives the connection up at once; code 0 says that it was lost.
func (c *conn) end(code wire.CloseCode) {
	c.mu.Lock()
	if c.phase >= ended {
		c.mu.Unlock()
		return
	}
	if c.phase == open {
		c.code = code
	}
	c.phase = ended
	rooms := c.leaveRooms()
	c.dropOutbox()
	c.dropRequests()
	c.link.abort()
	c.hub.metrics.closed(c.code)
	gone := c.giveBack()
	c.mu.Unlock()
	c.depart(rooms)
	if gone {
		c.vanish()
	}
}

// giveBack marks the socket as given back if nobody uses it; the caller, under
// mu, then calls vanish without it.
func (c *conn) giveBack() bool {
	if c.phase != ended || c.uses != 0 {
		return false
	}
	c.phase = gone
	return true
}

func (c *conn) vanish() {
	c.link.close()
	c.hub.table.remove(c)
	c.hub.metrics.connections.Dec()
}

// begin claims the socket for a use; false if it is dead.
func (c *conn) begin(use uint8) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase >= ended {
		return false
	}
	c.uses |= use
	return true
}

// done ends a use.
func (c *conn) done(use uint8) {
	c.mu.Lock()
	c.uses &^= use
	gone := c.giveBack()
	c.mu.Unlock()
	if gone {
		c.vanish()
	}
}

// leaveRooms is called under mu; the caller passes the members to depart.
func (c *conn) leaveRooms() []*member {
	rooms := c.rooms
	c.rooms = nil
	return rooms
}

// depart takes the connection, which ends, out of rooms that it has given up.
func (c *conn) depart(rooms []*member) {
	for _, m := range rooms {
		c.hub.lose(c, m.room.id)
		m.exit()
	}
}

// exit takes a member that its connection has given up out of its room.
func (m *member) exit() {
	m.room.remove(m)
	m.conn.hub.releaseRoom(m.room)
}

// watch tells the link what to wait for. Called under mu.
func (c *conn) watch() {
	if c.phase < ended {
		// A connection that closes is read to its end whatever else holds it.
		c.link.watch(c.holds.Load() == 0 || c.phase == closing, c.armed)
	}
}

func (c *conn) roomCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.rooms)
}

// memberOf finds the connection's place in a room; room 0 means the only one.
func (c *conn) memberOf(id bw.RoomID) (*member, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.findMember(id)
}

// findMember is memberOf. Called under mu.
func (c *conn) findMember(id bw.RoomID) (*member, error) {
	if id == 0 {
		if len(c.rooms) != 1 {
			return nil, bw.Errorf(bw.NotInRoom, "name the room: this connection is in %d rooms", len(c.rooms))
		}
		return c.rooms[0], nil
	}
	for _, m := range c.rooms {
		if m.room.id == id {
			return m, nil
		}
	}
	return nil, bw.Errorf(bw.NotInRoom, "this connection is not in room %d", id)
}
