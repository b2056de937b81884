package live

import (
	"context"
	"slices"

	"github.com/breakwater-chat/breakwater/wire"
)

// Bounds of what waits behind a connection's join or page: beyond them the
// connection is not read from any more.
const (
	maxRequests     = 64
	maxRequestBytes = 16 << 10
	requestOverhead = 256
)

// requests are frames that are worked on one after the other, for they take time
// or depend on one that does. What does neither is not held up: who waits to
// join a room, or for old messages, can go on talking where he is.
type requests struct {
	queue []wire.ClientFrame
	bytes int
	// working is set while the first is being worked on.
	working bool
	// end ends the connection behind the last; nil if it goes on.
	end func()
}

// full tells whether the connection is not to be read from.
func (r *requests) full() bool {
	return len(r.queue) >= maxRequests || r.bytes >= maxRequestBytes || r.end != nil
}

func requestBytes(f wire.ClientFrame) int { return requestOverhead + len(f.Text) }

// takesTime tells whether a frame asks for what has to be waited for.
func takesTime(f wire.ClientFrame) bool { return f.Type == wire.TypeJoin || f.Type == wire.TypeHistory }

// mustWait tells whether a frame has to be worked on behind those that wait, as
// they may decide whether the connection is in its room, or say something there.
func (c *conn) mustWait(f wire.ClientFrame) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests == nil {
		return false
	}
	m, err := c.findMember(f.Room)
	if err != nil {
		return true
	}
	return slices.ContainsFunc(c.requests.queue, func(other wire.ClientFrame) bool {
		if other.Type == wire.TypeHistory && f.Type != wire.TypeLeave {
			return false // whoever reads hinders nobody who speaks
		}
		return other.Room == m.room.id || other.Room == 0
	})
}

// endsLater puts the connection's end behind what waits; false if nothing does.
func (c *conn) endsLater(end func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests == nil {
		return false
	}
	c.requests.end = end
	c.hold(holdRequest)
	return true
}

// wait puts a frame behind those that wait.
func (c *conn) wait(f wire.ClientFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests == nil {
		c.requests = &requests{}
	}
	r := c.requests
	r.queue = append(r.queue, f)
	r.bytes += requestBytes(f)
	c.hub.metrics.queued.Add(int64(requestBytes(f)))
	if r.full() {
		c.hold(holdRequest)
	}
	c.workNext()
}

// workNext begins with the first that waits, unless one is being worked on or
// something else has to go first. Called under mu.
func (c *conn) workNext() {
	if r := c.requests; r != nil && !r.working && c.holds.Load()&^(holdRequest|holdBusy) == 0 {
		r.working = true
		c.hub.wg.Go(c.workRequest)
	}
}

// goOn is workNext for who does not hold mu.
func (c *conn) goOn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.workNext()
}

// workRequest works on the first that waits. The next one follows when the answers
// to this one have been written, as far as the socket takes them.
func (c *conn) workRequest() {
	c.mu.Lock()
	f, open := c.requests.queue[0], c.phase == open
	c.mu.Unlock()
	if open {
		c.perform(f)
	}
	c.mu.Lock()
	end := c.doneWith(f)
	c.mu.Unlock()
	if end != nil {
		end()
	} else {
		c.hub.sched.add(c)
	}
}

// doneWith takes the first that waits off. If it was the last, it returns how the
// connection ends behind it, if it does. Called under mu.
func (c *conn) doneWith(f wire.ClientFrame) (end func()) {
	r := c.requests
	r.queue, r.working = r.queue[1:], false
	r.bytes -= requestBytes(f)
	c.hub.metrics.queued.Add(-int64(requestBytes(f)))
	if !r.full() {
		c.release(holdRequest)
	}
	switch {
	case len(r.queue) == 0:
		c.requests = nil
		return r.end
	case c.phase >= ended:
		c.dropRequests()
	}
	return nil
}

// dropRequests forgets what waits and is not being worked on. Called under mu.
func (c *conn) dropRequests() {
	if r := c.requests; r != nil && !r.working {
		c.hub.metrics.queued.Add(-int64(r.bytes))
		c.requests = nil
	}
}

// perform works on a frame in its turn.
func (c *conn) perform(f wire.ClientFrame) {
	if !takesTime(f) {
		c.readMu.Lock()
		defer c.readMu.Unlock()
		c.handle(f)
		return
	}
	ctx, cancel := context.WithTimeout(c.hub.ctx, c.hub.cfg.JoinTimeout)
	defer cancel()
	var err error
	if f.Type == wire.TypeJoin {
		err = c.joinRoom(ctx, f.ID, f.Room, f.Since)
	} else {
		err = c.readHistory(ctx, f)
	}
	if err != nil {
		c.refuse(f.ID, err)
	}
}

// handle works on a frame that takes no time. Called under readMu.
func (c *conn) handle(f wire.ClientFrame) {
	var err error
	switch f.Type {
	case wire.TypeSend:
		err = c.sendMessage(f)
	case wire.TypeTyping:
		err = c.typing(f)
	case wire.TypeLeave:
		err = c.leaveRoom(f.ID, f.Room)
	}
	if err != nil {
		c.refuse(f.ID, err)
	}
}
