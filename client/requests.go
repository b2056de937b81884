package client

import (
	"context"
	"errors"
	"strconv"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// request is a question with one answer: a join, a leave, or a page. Guarded by
// Client.mu.
type request struct {
	id       string
	kind     string // wire.TypeJoin, TypeLeave or TypeHistory
	room     bw.RoomID
	by       *session
	since    *bw.Position // of a join
	deadline time.Time
	// done takes the answer of a page, under mu; nil for others.
	done func(*wire.ServerFrame, error)
}

// ask notes a request that the caller writes.
func (c *Client) ask(by *session, room bw.RoomID, kind string) *request {
	c.last++
	r := &request{id: requestPrefix + strconv.Itoa(c.last), kind: kind, room: room, by: by, deadline: time.Now().Add(answerTimeout)}
	c.asked[r.id] = r
	c.alarm.at(c, r.deadline)
	return r
}

func (c *Client) answer(r *request, frame *wire.ServerFrame, err error) {
	delete(c.asked, r.id)
	if r.done != nil {
		r.done(frame, err)
	}
}

// Page says which part of a room's history is wanted: what is before a seq, or
// after one, or, if neither is set, the newest.
type Page struct {
	// Before is the seq behind the page, 0 for none.
	Before bw.Seq
	// After is the seq before the page, nil for none; 0 is before the first.
	After *bw.Seq
	// Limit is 1 to 500; 0 for the server's default, 50.
	Limit int
}

// History reads a page of a joined room, oldest message first. next is the
// Before, or After, of the next page, 0 when there is none. The error is
// ErrDisconnected while there is no connection, or what the server said.
func (c *Client) History(ctx context.Context, room bw.RoomID, page Page) (messages []bw.Message, next bw.Seq, err error) {
	frame := wire.ClientFrame{Type: wire.TypeHistory, Room: room, Before: page.Before, Limit: page.Limit}
	if page.After != nil {
		if frame.After = *page.After; frame.After == 0 {
			frame.After = wire.FromStart
		}
	}
	type reply struct {
		frame *wire.ServerFrame
		err   error
	}
	replies := make(chan reply, 1)
	if err := c.askPage(&frame, func(f *wire.ServerFrame, err error) { replies <- reply{f, err} }); err != nil {
		return nil, 0, err
	}
	select {
	case r := <-replies:
		if r.err != nil {
			return nil, 0, r.err
		}
		return r.frame.Messages, r.frame.Next, nil
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
}

func (c *Client) askPage(frame *wire.ClientFrame, done func(*wire.ServerFrame, error)) error {
	c.mu.Lock()
	defer c.unlock()
	if c.state.Phase == Ended {
		return c.state.Err
	}
	s := c.link.asking(frame.Room)
	if s == nil {
		return ErrDisconnected
	}
	r := c.ask(s, frame.Room, wire.TypeHistory)
	r.done = done
	frame.ID = r.id
	s.write(frame)
	return nil
}

// requeue takes back what a session was asked that is not answered: it is not
// current or next any more. Messages wait for the next one; they are returned.
func (c *Client) requeue(s *session) (inFlight []*send) {
	for _, r := range c.asked {
		if r.by == s {
			c.answer(r, nil, ErrDisconnected)
		}
	}
	for _, f := range c.order {
		for _, m := range f.outbox {
			if m.by == s {
				m.by = nil
				inFlight = append(inFlight, m)
			}
		}
		if c.link.asking(f.room) == nil {
			f.lost()
		}
	}
	return inFlight
}

// frame takes what a server says.
func (c *Client) frame(s *session, f *wire.ServerFrame) {
	room := c.rooms[f.Room]
	switch f.Type {
	case wire.TypeMessage:
		if room != nil {
			room.accept(f.Message(), false)
		}
	case wire.TypeJoined:
		c.joined(s, room, f)
	case wire.TypeAck:
		c.acked(f)
	case wire.TypeGap:
		if room != nil && room.started {
			room.fill(f.To)
		}
	case wire.TypeHistory, wire.TypeLeft:
		if r := c.asked[f.ID]; r != nil && r.by == s {
			c.answer(r, f, nil)
		}
	case wire.TypePresence:
		if room != nil && s == c.link.current {
			c.tell(Presence{Room: f.Room, Users: f.Users, Joined: f.Joined, Left: f.Left})
		}
	case wire.TypeTyping:
		if room != nil && s == c.link.current {
			c.tell(Typing{Room: f.Room, User: f.User})
		}
	case wire.TypeDrain:
		c.drain(s, time.Duration(f.WithinMS)*time.Millisecond)
	case wire.TypeError:
		c.failed(s, f)
	default: // a later server may say more than this client understands
	}
	if room != nil {
		room.flush()
	}
}

// joined begins or continues a room on a session.
func (c *Client) joined(s *session, f *feed, j *wire.ServerFrame) {
	r := s.first
	if j.ID != "" {
		r = c.asked[j.ID]
	}
	if r == nil || r.by != s || r.kind != wire.TypeJoin {
		return
	}
	c.answer(r, j, nil)
	if _, asked := s.rooms[j.Room]; !asked || f == nil {
		return // left meanwhile
	}
	s.rooms[j.Room] = true
	f.joins, f.joinAt = 0, time.Time{}
	f.joined(j, r.since)
	c.tell(Joined{Room: j.Room, Position: bw.Position{Epoch: j.Epoch, Seq: j.Seq}, Recovered: j.Recovered, Users: j.Users})
	c.link.promote(c)
}

// failed takes an error frame.
func (c *Client) failed(s *session, e *wire.ServerFrame) {
	err := refusal(e)
	if r := c.asked[e.ID]; r != nil && r.by == s {
		c.answer(r, nil, err)
		if f := c.rooms[r.room]; r.kind == wire.TypeJoin && f != nil {
			c.joinFailed(s, f, err)
		}
		return
	}
	if c.sendFailed(e) {
		return
	}
	c.tell(Failure{Err: err})
	// An error without an id while the URL's room is not joined can only be about
	// that join; the server closes the connection then.
	if f := c.rooms[s.room]; e.ID == "" && f != nil && !s.rooms[s.room] {
		if e.Code == bw.NoSuchRoom {
			c.joinFailed(s, f, err)
			return
		}
		c.comeNotBefore(err.RetryAfter)
	}
}

// joinFailed tries a join again later if that can help, and drops the room if not.
func (c *Client) joinFailed(s *session, f *feed, err error) {
	if bw.KindOf(err) == bw.AlreadyInRoom { // without the position that only a join gives
		s.leave(f.room)
	}
	delete(s.rooms, f.room)
	if !temporary(err) {
		c.gone(f, err)
		if len(c.order) == 0 {
			c.goIdle()
		} else {
			c.link.promote(c)
		}
		return
	}
	f.joinAt = time.Now().Add(max(retryOf(err), leastPause) + fullJitter(f.joins, c.random))
	f.joins++
	c.alarm.at(c, f.joinAt)
}

// temporary tells whether the same request may succeed later.
func temporary(err error) bool {
	switch bw.KindOf(err) {
	case bw.Unavailable, bw.RateLimited, bw.Overloaded, bw.Draining, bw.AlreadyInRoom:
		return true
	default:
		return false
	}
}

// retryOf is when the server wants to be asked again.
func retryOf(err error) time.Duration {
	var refused *bw.Error
	if errors.As(err, &refused) {
		return min(max(refused.RetryAfter, 0), bw.DedupeWindow)
	}
	return 0
}
