package client

import (
	"errors"
	"net/http"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// linkState is a client's logical connection: one WebSocket that is replaced
// whenever it is lost, and two for a moment when the server asks to be left. It
// is guarded by Client.mu.
type linkState struct {
	// current serves the application. next is being made, or, while there is a
	// current one, joins the rooms before it takes over: whoever follows a room by
	// both is never seen to leave it.
	current, next *session
	// attempt counts those since the last connection that lasted.
	attempt int
	// rejected is the token that was refused last, "" once one was taken.
	rejected string
	// doubted is set when a token was refused on a connection; it is cleared by
	// one that lasts. A second refusal is the end.
	doubted bool
	// dialAt is the moment of the next attempt, zero if none is due.
	dialAt time.Time
	// notBefore is what the server asked for, which nothing cuts short.
	notBefore time.Time
	// drainUntil is the end of the window that the server announced.
	drainUntil time.Time
}

// open are the sessions that speak.
func (l *linkState) open() (open []*session) {
	for _, s := range []*session{l.current, l.next} {
		if s != nil && s.conn != nil {
			open = append(open, s)
		}
	}
	return open
}

// asking is a session that is in a room, to ask something of it; nil if none is.
func (l *linkState) asking(room bw.RoomID) *session {
	for _, s := range []*session{l.current, l.next} {
		if s.in(room) {
			return s
		}
	}
	return nil
}

// hangUp ends all connections and returns them.
func (l *linkState) hangUp() (ended []*session) {
	for _, s := range []*session{l.current, l.next} {
		if s != nil {
			s.finish(wire.CloseNormal)
			ended = append(ended, s)
		}
	}
	l.current, l.next, l.dialAt = nil, nil, time.Time{}
	return ended
}

// connect makes a connection, unless one is being made.
func (c *Client) connect() {
	l := &c.link
	l.dialAt = time.Time{}
	switch {
	case l.next != nil || c.state.Phase == Ended:
		return
	case len(c.order) == 0:
		c.goIdle()
		return
	}
	l.next = newSession(c, c.order[0])
	if l.current == nil {
		c.setState(State{Phase: Connecting, Reason: c.state.Reason})
	}
	c.wg.Go(l.next.run)
}

func (c *Client) goIdle() {
	for _, s := range c.link.hangUp() {
		c.requeue(s)
	}
	c.setState(State{Phase: Idle, Reason: reasonNoRoom})
}

// opened is the end of a handshake.
func (c *Client) opened(s *session) {
	l := &c.link
	l.rejected = ""
	s.first = c.ask(s, s.room, wire.TypeJoin)
	s.first.since = s.since
	for _, f := range c.order {
		if f.room != s.room {
			s.join(f)
		}
	}
	if c.rooms[s.room] == nil { // left meanwhile
		s.leave(s.room)
	}
	l.promote(c)
}

// promote lets the next session take over when there is none better: none at
// all, or one that is to be left while the next is in every room that it is in.
func (l *linkState) promote(c *Client) {
	s := l.next
	if s == nil || s.conn == nil {
		return
	}
	if old := l.current; old != nil {
		for room, joined := range old.rooms {
			if joined && c.rooms[room] != nil && !s.in(room) {
				return
			}
		}
		l.current, l.next = s, nil
		c.requeue(old)
		old.finish(wire.CloseNormal)
	}
	l.current, l.next = s, nil
	c.setState(State{Phase: Live, Reason: reasonConnected})
	c.scheduleDrain(s)
	for _, f := range c.order {
		f.flush()
	}
}

// drain is the server's request to be left: at a random moment of the window, so
// that not all its clients are at another server's door at once.
func (c *Client) drain(s *session, within time.Duration) {
	const longest = 10 * time.Minute
	if s.leaveAt.IsZero() {
		within = min(max(within, 0), longest)
		s.drainUntil = time.Now().Add(within)
		s.leaveAt = time.Now().Add(time.Duration(c.random() * float64(within)))
		c.scheduleDrain(s)
	}
}

func (c *Client) scheduleDrain(s *session) {
	if s == c.link.current && !s.leaveAt.IsZero() && c.link.next == nil {
		c.link.dialAt, c.link.drainUntil = s.leaveAt, s.drainUntil
		c.alarm.at(c, s.leaveAt)
	}
}

// refused is a connection that could not be made.
func (c *Client) refused(s *session, err error) {
	l := &c.link
	if l.next != s {
		return // given up meanwhile
	}
	l.next = nil
	var answer *handshakeError
	if !errors.As(err, &answer) {
		answer = &handshakeError{}
	}
	switch answer.status {
	case http.StatusUnauthorized:
		if l.rejected != "" || s.token == "" {
			c.end(string(bw.Unauthorized), unauthorized(err)) // the fresh token fares no better
			return
		}
		l.rejected = s.token
		l.attempt++
		c.wait(0, reasonRejected)
	case http.StatusForbidden:
		c.end(answer.word(), err)
	case http.StatusUpgradeRequired:
		c.end(string(bw.UpgradeRequired), err)
	case http.StatusNotFound:
		if bw.KindOf(err) != bw.NoSuchRoom {
			c.end(answer.word(), err) // not a Breakwater server
			return
		}
		if f := c.rooms[s.room]; f != nil {
			c.gone(f, err)
		}
		c.connect()
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		// Retry-After is the least; a backoff that lasts longer stands.
		c.comeNotBefore(answer.retryAfter)
		c.wait(c.backoff(), reasonBusy)
	default:
		c.comeNotBefore(max(answer.retryAfter, retryOf(err)))
		c.wait(c.backoff(), reasonUnreachable)
	}
}

// lost is a connection that ended, with the code that the server gave.
func (c *Client) lost(s *session, code wire.CloseCode) {
	l := &c.link
	if s != l.current && s != l.next {
		return // replaced or given up
	}
	if time.Since(s.openedAt) >= stable {
		l.attempt, l.doubted = 0, false
	}
	if s == l.next {
		l.next = nil
	} else {
		l.current = nil
	}
	inFlight := c.requeue(s)
	what, reason := classify(code)
	switch {
	case what == actStop:
		c.end(reason, closeError(code))
		return
	case what == actRefresh && code == wire.CloseUnauthorized && l.doubted:
		c.end(reason, closeError(code))
		return
	case what == actShrink && !c.shrink(inFlight):
		c.end(reason, closeError(code))
		return
	}
	if what == actRefresh {
		l.rejected, l.doubted = s.token, true
	}
	switch {
	case l.current != nil: // the next one was lost before it took over
		c.wait(c.backoff(), reason)
	case l.next != nil && l.next.conn != nil:
		l.promote(c)
	case l.next != nil:
		c.setState(State{Phase: Connecting, Reason: reason})
	case (what == actAtOnce || what == actRefresh) && l.attempt == 0:
		c.wait(c.spread(), reason)
	default:
		c.wait(c.backoff(), reason)
	}
}

// wait schedules the next attempt: after a delay, but not before the server
// wants to be asked again; then with jitter of its own.
func (c *Client) wait(delay time.Duration, reason string) {
	l := &c.link
	l.dialAt = time.Now().Add(delay)
	if l.dialAt.Before(l.notBefore) {
		l.dialAt = l.notBefore.Add(time.Duration(c.random() * float64(backoffBase)))
	}
	c.alarm.at(c, l.dialAt)
	if l.current == nil {
		c.setState(State{Phase: Waiting, Reason: reason, RetryAt: l.dialAt})
	}
}

// comeNotBefore keeps a Retry-After.
func (c *Client) comeNotBefore(after time.Duration) {
	if at := time.Now().Add(after); at.After(c.link.notBefore) {
		c.link.notBefore = at
	}
}

// spread is a place within what is left of the drain window, or a second. It
// counts as an attempt: a server that closes every new connection is backed away from.
func (c *Client) spread() time.Duration {
	c.link.attempt++
	window := time.Until(c.link.drainUntil)
	if window <= 0 {
		window = spread
	}
	return time.Duration(c.random() * float64(window))
}

func (c *Client) backoff() time.Duration {
	c.link.attempt++
	return fullJitter(c.link.attempt-1, c.random)
}

// closeError says that a server closed the connection for good.
func closeError(code wire.CloseCode) error {
	kind := bw.Internal
	switch code {
	case wire.CloseUnauthorized, wire.CloseTokenExpired:
		kind = bw.Unauthorized
	case wire.CloseRoomDeleted:
		kind = bw.NoSuchRoom
	case wire.CloseFrameTooBig, wire.CloseMessageTooBig:
		return ErrFrameTooBig
	}
	return bw.Errorf(kind, "the server closed the connection with %d (%s)", code, code)
}

func unauthorized(err error) error {
	if bw.KindOf(err) == bw.Unauthorized {
		return err
	}
	return &bw.Error{Kind: bw.Unauthorized, Detail: "the server takes no token that there is", Err: err}
}
