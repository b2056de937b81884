package live

import (
	"context"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/wire"
)

// dispatch works on one message of the client. Called under readMu: what takes
// time goes on elsewhere.
func (c *conn) dispatch(payload []byte) {
	f, err := c.hub.cfg.Limits.ParseClientFrame(payload)
	if err != nil {
		c.hub.metrics.framesIn.WithLabelValues(malformed).Inc()
		c.refuse(f.ID, err)
		c.count(err)
		return
	}
	if c.in != nil {
		c.in.malformed = 0
	}
	c.hub.metrics.framesIn.WithLabelValues(f.Type).Inc()
	if takesTime(f) || c.mustWait(f) {
		c.wait(f)
	} else {
		c.handle(f)
	}
}

// count ends the connection of a peer that does not speak JSON at all. A frame
// that is JSON and wrong is a defect of a client that may be right the next time.
func (c *conn) count(err error) {
	in := c.inbox()
	if bw.KindOf(err) != bw.BadJSON {
		in.malformed = 0
		return
	}
	if in.malformed++; in.malformed >= maxMalformed {
		c.closeWith(wire.CloseMalformedFrames, "")
	}
}

// refuse answers a request that failed; the connection stays.
func (c *conn) refuse(id string, err error) {
	code := wire.Code(err)
	c.hub.metrics.errors.WithLabelValues(string(code)).Inc()
	if code == bw.Internal {
		c.hub.deps.Log.Error("a request failed", "connection", c.id, "user", c.name, "error", err)
	}
	c.answer(wire.AppendError(nil, id, err))
}

// sendMessage gives a message to the broker; the answer comes when it is stored.
func (c *conn) sendMessage(f wire.ClientFrame) error {
	m, err := c.memberOf(f.Room)
	if err != nil {
		return err
	}
	if c.hub.sends.Full() { // and its id stands where turnAway does not look
		c.hub.sends.Refuse(1)
		c.rest(nil)
		return errBusy()
	}
	if wait, ok := c.hub.deps.Sends.Allow(c.name); !ok {
		c.refuse(f.ID, rateLimited(wait))
		in := c.inbox()
		if in.refused++; in.refused >= maxRefused {
			c.closeWith(wire.CloseRateLimited, "")
		}
		return nil
	}
	if c.in != nil {
		c.in.refused, c.in.free = 0, 0
	}
	if int(c.sends.Add(1)) >= c.hub.cfg.MaxSends {
		c.hold(holdSends)
	}
	room := m.room.id
	s := broker.Send{Room: room, User: c.name, ID: bw.MessageID(f.ID), Text: f.Text}
	c.hub.send(s, func(ack broker.Ack, err error) {
		if int(c.sends.Add(-1)) <= c.hub.cfg.MaxSends/2 {
			c.release(holdSends)
		}
		if err != nil {
			c.refuse(f.ID, err)
			return
		}
		c.answer(wire.AppendAck(nil, f.ID, room, ack.Position, ack.Timestamp, ack.Duplicate))
	})
	return nil
}

// typing tells the others in the room, if it was not told just before.
func (c *conn) typing(f wire.ClientFrame) error {
	m, err := c.memberOf(f.Room)
	if err != nil {
		return err
	}
	if c.floods() {
		c.closeWith(wire.CloseRateLimited, "")
	} else if m.room.mayType(c.name) {
		c.hub.deps.Broker.Notify(broker.Notice{Room: m.room.id, Typing: c.name})
	}
	return nil
}

// floods counts a frame that costs its sender nothing, not even an answer, and
// tells whether there are too many to be typed by hand.
func (c *conn) floods() bool {
	in, now := c.inbox(), c.hub.tick()
	if elapsed(now, in.freeSince) >= ticks(time.Second) {
		in.free, in.freeSince = 0, now
	}
	in.free++
	return in.free >= maxFree
}

// leaveRoom leaves one room.
func (c *conn) leaveRoom(id string, room bw.RoomID) error {
	m, err := c.memberOf(room)
	if err != nil {
		return err
	}
	c.mu.Lock()
	left := c.dropMember(m)
	c.mu.Unlock()
	if left {
		c.hub.leave(c, m.room.id)
		m.exit()
		c.answer(wire.AppendLeft(nil, id, m.room.id))
	}
	return nil
}

// dropMember is called under mu; false if the connection has left already.
func (c *conn) dropMember(m *member) bool {
	for i, other := range c.rooms {
		if other == m {
			c.rooms = append(c.rooms[:i:i], c.rooms[i+1:]...)
			return true
		}
	}
	return false
}

// messageOverhead is about what a message's object needs beside its text.
const messageOverhead = 256

// readHistory answers with a page.
func (c *conn) readHistory(ctx context.Context, f wire.ClientFrame) error {
	m, err := c.memberOf(f.Room)
	if err != nil {
		return err
	}
	limit := f.Limit
	if limit == 0 {
		limit = c.hub.cfg.Limits.DefaultPage
	}
	release, err := c.hub.TakeTurn(ctx)
	if err != nil {
		return err
	}
	defer release()
	page, err := c.hub.deps.Playback.Page(ctx, history.PageQuery{Room: m.room.id, Before: f.Before, After: f.After, Limit: limit})
	if err != nil {
		return err
	}
	var next bw.Seq
	if n := len(page.Messages); page.More && n > 0 {
		next = page.Messages[0].Seq
		if f.After != 0 {
			next = page.Messages[n-1].Seq
		}
	}
	size := 0
	for i := range page.Messages {
		size += len(page.Messages[i].Text) + messageOverhead
	}
	c.answer(wire.AppendHistory(make([]byte, 0, size), f.ID, m.room.id, page.Messages, next))
	return nil
}
