package client

import (
	"slices"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

const (
	// maxHeld is how many messages are held back behind a hole; further ones are
	// fetched with it instead.
	maxHeld = 1000
	// maxFetches is how often a page that brings nothing is asked for again: the
	// history may lag behind the live log for a moment, or be busy.
	maxFetches = 5
)

// feed makes the messages of one room, from whichever connection, into one order
// without doubles, and without holes that nobody is told of. It also holds what
// is to be sent to the room. Guarded by Client.mu.
type feed struct {
	c    *Client
	room bw.RoomID

	// started is set once there is a position: at, up to which all was delivered.
	started bool
	at      bw.Position
	// held are messages behind a hole, in order.
	held []bw.Message
	// target is up to where the hole is to be filled; at or below at.Seq there is none.
	target bw.Seq
	page   *request // the page that is under way
	// fetches counts the pages that brought nothing; the next is asked for at fetchAt.
	fetches int
	fetchAt time.Time

	joins  int       // attempts of a join that was refused for a while
	joinAt time.Time // when to try again

	outbox []*send // in order
	// sendAt is when to try again after a send was refused for a while.
	sendAt   time.Time
	refusals int

	typed time.Time
}

func newFeed(c *Client, room bw.RoomID) *feed { return &feed{c: c, room: room} }

// position is where to go on; nil on a first join.
func (f *feed) position() *bw.Position {
	if !f.started {
		return nil
	}
	at := f.at
	return &at
}

// newest is the epoch that the room is in, as far as the server has told.
func (f *feed) newest() bw.Epoch {
	if n := len(f.held); n > 0 {
		return f.held[n-1].Epoch
	}
	return f.at.Epoch
}

// filling tells whether messages are being fetched from the history.
func (f *feed) filling() bool { return f.target > f.at.Seq }

// joined takes a playback; since is what was asked for.
func (f *feed) joined(j *wire.ServerFrame, since *bw.Position) {
	first := j.Seq // what the playback goes on behind
	if len(j.Messages) > 0 {
		first = j.Messages[0].Seq - 1
	}
	switch {
	case !f.started:
		f.started, f.at = true, bw.Position{Epoch: j.Epoch, Seq: first}
	case !j.Recovered && (j.Epoch < f.at.Epoch || since != nil && j.Seq < since.Seq):
		// The room was taken back in time: what follows begins anew.
		f.reset(bw.Position{Epoch: j.Epoch, Seq: first + 1})
	case j.Epoch > f.at.Epoch && len(j.Messages) == 0:
		f.reset(bw.Position{Epoch: j.Epoch, Seq: j.Seq + 1})
	}
	for _, m := range j.Messages {
		f.accept(m, true)
	}
	if j.Epoch == f.at.Epoch && j.Seq > f.at.Seq { // the playback ends too early
		f.fill(j.Seq)
	}
	f.fetch()
}

// accept takes a message of a playback or a live one.
func (f *feed) accept(m bw.Message, replay bool) {
	switch {
	case !f.started || m.Room != f.room || m.Epoch < f.at.Epoch:
		return
	case m.Epoch > f.at.Epoch && m.Seq <= f.at.Seq: // a new life below the old one
		f.reset(m.Position())
	case m.Seq <= f.at.Seq:
		return
	}
	if m.Seq == f.at.Seq+1 && !f.filling() {
		f.advance(m, replay)
		return
	}
	if n := len(f.held); n > 0 && m.Seq <= f.held[n-1].Seq {
		return // held already, or within a hole that will be fetched
	}
	if len(f.held) >= maxHeld {
		f.held = nil
		f.fill(m.Seq)
		return
	}
	f.held = append(f.held, m)
	f.fill(f.held[0].Seq - 1)
}

// reset goes on elsewhere, from a position on that what was delivered does not lead to.
func (f *feed) reset(to bw.Position) {
	f.c.tell(Reset{Room: f.room, From: f.at, To: to})
	f.at = bw.Position{Epoch: to.Epoch, Seq: to.Seq - 1}
	f.held, f.target = nil, 0
}

// advance delivers a message that is above the position. A step over a hole is
// never silent.
func (f *feed) advance(m bw.Message, replay bool) {
	switch {
	case m.Epoch != f.at.Epoch:
		f.c.tell(Reset{Room: f.room, From: f.at, To: m.Position()})
	case m.Seq != f.at.Seq+1:
		f.c.tell(Missing{Room: f.room, Epoch: m.Epoch, From: f.at.Seq + 1, To: m.Seq - 1})
	}
	f.at = m.Position()
	f.c.tell(Message{Message: m, Replay: replay})
	f.c.own(m)
}

// fill has everything up to a seq delivered before what is held.
func (f *feed) fill(to bw.Seq) {
	f.target = max(f.target, to)
	if f.c.cfg.NoFetch {
		f.release()
		return
	}
	f.fetch()
}

// fetch asks for the next page of what is missing, unless it has to wait.
func (f *feed) fetch() {
	if !f.filling() || f.page != nil || time.Now().Before(f.fetchAt) {
		return
	}
	s := f.c.link.asking(f.room)
	if s == nil {
		return // the next join asks
	}
	after := f.at.Seq
	if after == 0 {
		after = wire.FromStart
	}
	f.page = f.c.ask(s, f.room, wire.TypeHistory)
	f.page.done = f.fetched
	s.write(&wire.ClientFrame{Type: wire.TypeHistory, ID: f.page.id, Room: f.room, After: after, Limit: wire.MaxPage})
}

// fetched takes a page, or what there was instead.
func (f *feed) fetched(page *wire.ServerFrame, err error) {
	f.page = nil
	if f.c.rooms[f.room] != f {
		return // left meanwhile
	}
	reached := f.at.Seq
	if err == nil {
		for _, m := range page.Messages {
			if m.Seq > f.at.Seq && m.Epoch >= f.at.Epoch && m.Room == f.room {
				f.advance(m, true)
			}
		}
	}
	switch {
	case !f.filling():
		f.release()
	case f.at.Seq > reached:
		f.fetches = 0
		f.fetch()
	case f.fetches >= maxFetches:
		f.release()
	default:
		f.fetchAt = time.Now().Add(retryOf(err) + fullJitter(f.fetches, f.c.random))
		f.fetches++
		f.c.alarm.at(f.c, f.fetchAt)
	}
}

// release ends the filling of a hole: what could not be had is told, and what
// was held behind it is delivered up to the next one.
func (f *feed) release() {
	f.fetches, f.fetchAt = 0, time.Time{}
	newLife := len(f.held) > 0 && f.held[0].Epoch != f.at.Epoch // told by Reset
	if f.filling() && !newLife {
		f.c.tell(Missing{Room: f.room, Epoch: f.at.Epoch, From: f.at.Seq + 1, To: f.target})
		f.at.Seq = f.target
	}
	f.target = 0
	held := f.held
	for len(held) > 0 {
		m := held[0]
		if m.Seq > f.at.Seq {
			if m.Seq != f.at.Seq+1 && m.Epoch == f.at.Epoch {
				break
			}
			f.advance(m, false)
		}
		held = held[1:]
	}
	if f.held = slices.Clip(held); len(held) == 0 {
		f.held = nil
		return
	}
	f.fill(held[0].Seq - 1)
}

// lost forgets what a connection was about to bring; the next one brings it again.
func (f *feed) lost() {
	f.held, f.target = nil, 0
	f.fetches, f.fetchAt = 0, time.Time{}
}
