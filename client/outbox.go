package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

const (
	// trusted is how long the server is trusted to know an id again; the rest of
	// its five minutes is for clocks and journeys.
	trusted = bw.DedupeWindow - time.Minute
	// answerTimeout is how long an answer may take. A connection that does not
	// bring it is dead.
	answerTimeout = 20 * time.Second
	// leastPause is before a send that was refused for a while is tried again.
	leastPause = 250 * time.Millisecond
	// requestPrefix is for the ids of requests, which share the error frame with sends.
	requestPrefix = "~"
)

// Ack says that a message is in the log.
type Ack struct {
	bw.Position
	Timestamp bw.Millis
	// Duplicate tells that it was there before this answer: an earlier try had been stored.
	Duplicate bool
}

// send is a message on its way. Guarded by Client.mu.
type send struct {
	feed     *feed
	id, text string
	done     func(Ack, error)
	// by is the session that it was sent by, nil while it waits.
	by       *session
	deadline time.Time // of the answer
	// tried is when it was sent first, zero before; epoch is the room's at that time.
	tried time.Time
	epoch bw.Epoch
}

// doubt adds to an error that the message may be stored all the same.
func (s *send) doubt(err error) error {
	if s.tried.IsZero() || errors.Is(err, ErrUnconfirmed) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnconfirmed, err)
}

// Send stores a message in a joined room and returns when it is acknowledged. It
// is sent again, with the same id, over reconnections and after refusals that
// pass (unavailable, rate_limited). Other refusals fail at once with a
// *breakwater.Error. ErrUnconfirmed tells that the message may or may not be
// stored, also when ctx has ended meanwhile; it is never sent again after that.
//
// The ack comes by the same connection as the events. Who calls Send where he
// reads Events must not do so while more events wait than there is room for;
// Post does not wait.
func (c *Client) Send(ctx context.Context, room bw.RoomID, text string) (Ack, error) {
	type answer struct {
		ack Ack
		err error
	}
	answers := make(chan answer, 1)
	cancel, err := c.post(room, "", text, func(a Ack, err error) { answers <- answer{a, err} })
	if err != nil {
		return Ack{}, err
	}
	select {
	case a := <-answers:
		return a.ack, a.err
	case <-ctx.Done():
		cancel(ctx.Err())
		a := <-answers // that, or what was quicker
		return a.ack, a.err
	}
}

// Post is Send without waiting. done, which may be nil, is called once with the
// answer, from any goroutine; it must not block. id is 1 to 64 characters,
// unique among the user's messages in the room, or "" for a random one; the same
// message posted again with the same id within five minutes, by this client or
// another, is stored once. The error tells that the message was not taken: it
// is too long or empty, the outbox is full, the room is not joined, the client
// has ended.
func (c *Client) Post(room bw.RoomID, id, text string, done func(Ack, error)) error {
	_, err := c.post(room, id, text, done)
	return err
}

func (c *Client) post(room bw.RoomID, id, text string, done func(Ack, error)) (cancel func(error), err error) {
	if id == "" {
		id = rand.Text()
	}
	s := &send{id: id, text: strings.ToValidUTF8(text, "\uFFFD"), done: done}
	if err := c.check(room, s); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.unlock()
	f := c.rooms[room]
	switch {
	case c.state.Phase == Ended:
		return nil, c.state.Err
	case f == nil:
		return nil, bw.Errorf(bw.NotInRoom, "room %d is not joined", room)
	case c.sends[id] != nil:
		return nil, bw.Errorf(bw.IDConflict, "a message with this id is on its way")
	case len(c.sends) >= c.cfg.MaxPending:
		return nil, ErrOutboxFull
	}
	s.feed = f
	c.sends[id] = s
	f.outbox = append(f.outbox, s)
	f.flush()
	return func(why error) {
		c.mu.Lock()
		defer c.unlock()
		c.settle(s, Ack{}, s.doubt(why))
		f.flush()
	}, nil
}

// check refuses here what a server would refuse or, worse, close for.
func (c *Client) check(room bw.RoomID, s *send) error {
	if err := wire.CheckID(s.id); err != nil {
		return err
	}
	if strings.HasPrefix(s.id, requestPrefix) {
		return bw.Errorf(bw.InvalidID, "ids that begin with %q are the client's own", requestPrefix)
	}
	if err := (wire.Limits{MaxText: c.cfg.MaxText}).CheckText(s.text); err != nil {
		return err
	}
	if frame := wire.AppendClientFrame(nil, s.frame(room)); c.cfg.MaxText > 0 && len(frame) > wire.MaxMessage {
		return ErrFrameTooBig // escapes count, too
	}
	return nil
}

func (s *send) frame(room bw.RoomID) *wire.ClientFrame {
	return &wire.ClientFrame{Type: wire.TypeSend, ID: s.id, Room: room, Text: s.text}
}

// flush sends what may be sent.
func (f *feed) flush() {
	by := f.c.link.current
	if len(f.outbox) == 0 || !by.in(f.room) {
		return
	}
	now := time.Now()
	if now.Before(f.sendAt) {
		return
	}
	flying := 0
	for _, s := range slices.Clone(f.outbox) {
		if flying >= f.c.cfg.MaxInFlight {
			return
		}
		if s.by == nil {
			if old := !s.tried.IsZero() && s.epoch != f.newest(); old && f.filling() {
				return // it may be among what is being fetched
			} else if old || s.expired(now) {
				f.c.settle(s, Ack{}, ErrUnconfirmed)
				continue
			}
			f.transmit(s, by, now)
		}
		flying++
	}
}

// expired tells whether the server may have forgotten the id: to send it again
// could store it twice. The wall clock counts, too, since the monotonic one
// stands still while a machine sleeps.
func (s *send) expired(now time.Time) bool {
	return !s.tried.IsZero() && max(now.Sub(s.tried), now.Round(0).Sub(s.tried)) >= trusted
}

func (f *feed) transmit(s *send, by *session, now time.Time) {
	if s.tried.IsZero() {
		s.tried, s.epoch = now, f.newest()
		f.c.alarm.at(f.c, now.Add(trusted))
	}
	s.by, s.deadline = by, now.Add(answerTimeout)
	f.c.alarm.at(f.c, s.deadline)
	by.write(s.frame(f.room))
}

// settle ends a send, once.
func (c *Client) settle(s *send, ack Ack, err error) {
	if c.sends[s.id] != s {
		return
	}
	delete(c.sends, s.id)
	s.feed.outbox = slices.DeleteFunc(s.feed.outbox, func(other *send) bool { return other == s })
	if s.done != nil {
		c.dones = append(c.dones, func() { s.done(ack, err) })
	}
}

// acked is an ack frame.
func (c *Client) acked(a *wire.ServerFrame) {
	if s := c.sends[a.ID]; s != nil && s.feed.room == a.Room {
		s.feed.refusals = 0
		c.settle(s, Ack{Position: bw.Position{Epoch: a.Epoch, Seq: a.Seq}, Timestamp: a.Timestamp, Duplicate: a.Duplicate}, nil)
	}
}

// own settles a send whose message was delivered: its ack may have been lost.
func (c *Client) own(m bw.Message) {
	s := c.sends[string(m.ID)]
	if s == nil || m.User != c.cfg.User || s.feed.room != m.Room || s.tried.IsZero() || s.text != m.Text {
		return
	}
	c.settle(s, Ack{Position: m.Position(), Timestamp: m.Timestamp}, nil)
}

// sendFailed takes an error frame; false if it is about no send.
func (c *Client) sendFailed(e *wire.ServerFrame) bool {
	s := c.sends[e.ID]
	if s == nil {
		return false
	}
	f := s.feed
	if s.by == nil {
		return true // of an earlier try
	}
	s.by = nil
	switch e.Code {
	case bw.Unavailable, bw.RateLimited, bw.Overloaded:
		// Not less than the server asks for, more each time, and with jitter: many
		// clients may have been refused together.
		pause := max(time.Duration(e.RetryAfterMS)*time.Millisecond, leastPause)
		at := time.Now().Add(min(pause, bw.DedupeWindow) + fullJitter(f.refusals, c.random))
		f.refusals++
		if at.After(f.sendAt) {
			f.sendAt = at
			c.alarm.at(c, at)
		}
	case bw.NotInRoom:
		f.rejoin()
	default:
		c.settle(s, Ack{}, refusal(e))
		f.flush()
	}
	return true
}

// rejoin joins a room that the server does not know this connection to be in.
func (f *feed) rejoin() {
	if by := f.c.link.current; by.in(f.room) {
		delete(by.rooms, f.room)
		by.join(f)
	}
}

// shrink takes out the message that was too big for the server; false if none
// can have been.
func (c *Client) shrink(inFlight []*send) bool {
	if len(inFlight) == 0 {
		return false
	}
	longest := slices.MaxFunc(inFlight, func(a, b *send) int { return len(a.text) - len(b.text) })
	c.settle(longest, Ack{}, ErrFrameTooBig)
	return true
}

func refusal(e *wire.ServerFrame) *bw.Error {
	return &bw.Error{Kind: e.Code, Detail: e.Detail, RetryAfter: time.Duration(e.RetryAfterMS) * time.Millisecond}
}
