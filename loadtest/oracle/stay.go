package oracle

import (
	"slices"
	"strings"
	"time"
)

// client holds connections, one after the other or two for a moment.
type client struct {
	name  string
	user  string
	rooms map[int64]*clientRoom
}

// clientRoom is what a client has had of a room, by whichever connection.
type clientRoom struct {
	have    cover
	reached map[int64]int64 // by epoch: the highest seq that it was told of
	signals []signal
	last    *stay
	open    []*stay
}

// signal is that a client was told that it misses what is behind from, up to to.
type signal struct {
	event    int
	from, to position
}

type connKey struct {
	client string
	number int
}

// conn is one connection.
type conn struct {
	client         *client
	user, server   string
	number         int
	opened, closed int // events; -1 is none
	in             map[int64]*stay
	url            int64 // the room of the URL until it is joined
}

// stay is a connection's time in a room.
type stay struct {
	conn          *conn
	room          *room
	joined, ended int // events; -1 is none
	from, to      time.Duration
	// asked is when the join was asked for, byWill that the client ended it, orderly
	// that the server saw the end at once.
	asked           time.Duration
	byWill, orderly bool
	at              position // up to where it has received
	far             position // up to where its client had received when it ended, by any connection
	notices         []notice
	blind           []time.Duration // when presence frames may have been lost
	// From sureFrom to sureTo the user has to be listed for it, from mayFrom to mayTo he may be.
	sureFrom, sureTo, mayFrom, mayTo time.Duration
}

// notice is a presence frame's naming of users.
type notice struct {
	event int
	came  bool
}

func (c *client) room(id int64) *clientRoom {
	r := c.rooms[id]
	if r == nil {
		r = &clientRoom{reached: map[int64]int64{}}
		c.rooms[id] = r
	}
	return r
}

// reach notes how far a client was told that a room goes.
func (r *clientRoom) reach(at position) { r.reached[at.epoch] = max(r.reached[at.epoch], at.seq) }

// byClient takes in what a client did or saw.
func (f *facts) byClient(i int, e *Event) {
	if e.Kind == Connected {
		f.connect(i, e)
		return
	}
	c := f.conns[connKey{e.Client, e.Conn}]
	if e.Conn == 0 && (e.Kind == Sent || e.Kind == Acked || e.Kind == Refused || e.Kind == Fetched) {
		c = &conn{client: f.client(e.Client, e.User), closed: -1} // HTTP needs no connection
	}
	switch {
	case c == nil:
		f.broken(RuleRecord, i, "%s on a connection that was never made", e.Kind)
		return
	case c.closed >= 0:
		f.broken(RuleRecord, i, "%s on a connection that has ended", e.Kind)
		return
	}
	switch e.Kind {
	case Closed:
		f.disconnect(i, e, c)
	case Sent:
		f.sent(i, e, c)
	case Acked, Refused:
		f.answered(i, e, c)
	case Joined:
		f.joined(i, e, c)
	case Fetched:
		f.fetched(i, e, c)
	default:
		f.inRoom(i, e, c)
	}
}

// inRoom takes in what only a member of the room is told.
func (f *facts) inRoom(i int, e *Event, c *conn) {
	s := c.in[e.Room]
	if s == nil {
		f.broken(RuleNotJoined, i, "%s of room %d, in which the connection is not", e.Kind, e.Room)
		if e.Kind == Received {
			f.room(e.Room).see(i, e.message())
		}
		return
	}
	switch e.Kind {
	case Received:
		f.received(i, e, s)
	case Gap:
		f.gap(i, e, s)
	case Left:
		s.end(i, e.asked(), true, true)
		delete(c.in, e.Room)
	case Came, Went:
		s.notices = append(s.notices, notice{i, e.Kind == Came})
		if len(e.Names) >= f.bounds.PresenceNames {
			s.blind = append(s.blind, e.At)
		}
	}
}

func (f *facts) client(name, user string) *client {
	c := f.clients[name]
	if c == nil {
		c = &client{name: name, user: user, rooms: map[int64]*clientRoom{}}
		f.clients[name] = c
	}
	if c.user == "" {
		c.user = user // what came before did not say whose it is
	}
	return c
}

func (f *facts) connect(i int, e *Event) {
	key := connKey{e.Client, e.Conn}
	owner := f.client(e.Client, e.User)
	switch {
	case f.conns[key] != nil:
		f.broken(RuleRecord, i, "connection %d is made a second time", e.Conn)
		return
	case e.Conn == 0:
		f.broken(RuleRecord, i, "a connection without a number")
		return
	case owner.user != e.User:
		f.broken(RuleRecord, i, "a connection of %s, where the client was %s before", e.User, owner.user)
	}
	if e.Room != 0 {
		f.room(e.Room) // in the order of events
	}
	f.conns[key] = &conn{
		client: owner, user: e.User, server: e.Server, number: e.Conn,
		opened: i, closed: -1, in: map[int64]*stay{}, url: e.Room,
	}
}

func (f *facts) disconnect(i int, e *Event, c *conn) {
	c.closed = i
	byWill := e.Code == "1000"
	orderly := byWill || strings.HasPrefix(e.Code, "40") || strings.HasPrefix(e.Code, "41")
	for _, s := range c.in {
		s.end(i, e.At, byWill, orderly)
	}
	c.in = nil
}

func (s *stay) end(event int, at time.Duration, byWill, orderly bool) {
	s.ended, s.to, s.byWill, s.orderly = event, at, byWill, orderly
	of := s.conn.client.room(s.room.id)
	s.far = of.far()
	of.open = slices.DeleteFunc(of.open, func(o *stay) bool { return o == s })
}

// far is how far the client has received by its open connections.
func (r *clientRoom) far() (far position) {
	for _, s := range r.open {
		if s.at.behind(far) {
			far = s.at
		}
	}
	return far
}

// expect notes that the server may have listed a user whose first join had no answer.
func (c *conn) expect(f *facts) {
	if c.url == 0 {
		return
	}
	r := f.room(c.url)
	s := &stay{conn: c, room: r, joined: -1, ended: c.closed, from: never, to: never, asked: f.events[c.opened].At}
	if c.closed >= 0 {
		s.to = f.events[c.closed].At
	}
	r.stays = append(r.stays, s)
}

// limit works out from when to when the stay has to be seen by others, and may be.
func (s *stay) limit(f *facts) {
	s.mayFrom = s.asked - f.bounds.Skew
	s.sureFrom, s.sureTo, s.mayTo = never, s.to, never
	if s.joined >= 0 {
		s.sureFrom = f.due(s.from, f.bounds.Grace)
	}
	if s.ended < 0 {
		s.far = s.conn.client.room(s.room.id).far()
		return
	}
	grace := f.bounds.Grace
	if !s.orderly || s.lostServer(f) {
		grace = f.bounds.LossGrace
	}
	s.mayTo = f.due(f.events[s.ended].At, grace) + f.bounds.Skew
}

// lostServer tells whether the stay ended with its server's life.
func (s *stay) lostServer(f *facts) bool {
	for _, x := range f.faults {
		if x.died && x.server != "" && x.server == s.conn.server && !s.orderly && x.to >= s.from && x.from <= s.to+f.bounds.Grace {
			return true
		}
	}
	return false
}

// disturbed tells whether the stay's server may have been taken for dead in a time, by
// a fault that the stay has seen something of.
func (s *stay) disturbed(f *facts, from, to time.Duration) bool {
	for _, x := range f.faults {
		concerns := x.server != "" && (x.server == s.conn.server || s.conn.server == "" && !x.died)
		during := x.from <= s.to && s.from <= x.to
		if concerns && during && x.from <= to && (x.to == never || from <= x.to+f.bounds.LossGrace) {
			return true
		}
	}
	return false
}
