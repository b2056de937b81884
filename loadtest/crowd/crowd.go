package crowd

import (
	"net/url"
	"strconv"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/report"
	"github.com/breakwater-chat/breakwater/loadtest/swarm"
	"github.com/breakwater-chat/breakwater/wire"
)

// Member is one user on one connection.
type Member struct {
	// Number tells him apart in the whole run, whatever process he is in.
	Number int     `json:"number"`
	Name   bw.Name `json:"name"`
	Token  string  `json:"token"`
	// Room is where his connection begins.
	Room bw.RoomID `json:"room"`
}

// Config is what a crowd is made of.
type Config struct {
	// Run names the load test in ids and texts: letters and digits.
	Run string
	// Clock is the host's, ClockName names it: a latency is taken of messages with
	// the same name only.
	Clock     swarm.Clock
	ClockName string
	Members   []Member
	// Size is the length of a text, in bytes, MinText at least.
	Size int
}

// Crowd is the members; it is the Handler of its swarm and used from the same goroutine.
// What happens goes into its tally.
type Crowd struct {
	cfg     Config
	swarm   *swarm.Swarm
	meters  meters
	members []member
	rooms   map[bw.RoomID]*room

	joined  int // members whose connection is in its first room
	pending int
	refusal *Refusal
	lastEnd swarm.End
	scratch []byte
}

// Refusal is the first answer that makes no sense to come back after.
type Refusal struct {
	Name bw.Name
	End  swarm.End
}

// member is the state of a Member. The first of his seats is that of the room in which
// his connections begin.
type member struct {
	Member
	seats  []seat
	number int // of his last send
	outbox outbox
	// cutAt is when his last live connection ended; 0 if it has not or he is back.
	cutAt time.Duration
	// excused is set once he was told of a gap, or has begun anew: not all of his own
	// messages need come back to him then.
	excused bool
}

// memory is how many of the newest messages are remembered, in all rooms together and in
// one at least.
const (
	memory      = 1 << 13
	leastMemory = 1 << 5
)

// New makes a crowd that is not connected yet; Connect connects it.
func New(cfg Config, tally *report.Tally) *Crowd {
	c := &Crowd{cfg: cfg, meters: newMeters(tally), members: make([]member, len(cfg.Members)), rooms: map[bw.RoomID]*room{}}
	ids := map[bw.RoomID]bool{}
	for _, m := range cfg.Members {
		ids[m.Room] = true
	}
	for id := range ids {
		c.rooms[id] = newRoom(id, max(leastMemory, memory/len(ids)))
	}
	for i, m := range cfg.Members {
		c.members[i] = member{Member: m, seats: []seat{{room: c.rooms[m.Room]}}}
	}
	return c
}

// Connect opens the connections of all members on a swarm whose Handler the crowd is.
func (c *Crowd) Connect(s *swarm.Swarm) {
	c.swarm = s
	s.Open(len(c.members))
}

// Joined is how many members are in their first room now.
func (c *Crowd) Joined() int { return c.joined }

// Pending is how many sends are on their way: not both acked and back at their sender.
func (c *Crowd) Pending() int { return c.pending }

// Refused is the first final refusal, or nil.
func (c *Crowd) Refused() *Refusal { return c.refusal }

// LastEnd says how a connection, or an attempt at one, ended last; "" if none has.
func (c *Crowd) LastEnd() string { return c.lastEnd.String() }

// Head is up to where a room was acked, as far as this process knows.
func (c *Crowd) Head(id bw.RoomID) bw.Position {
	if r, ok := c.rooms[id]; ok {
		return r.head
	}
	return bw.Position{}
}

// Further tells whether a member is in a room that is not his first.
func (c *Crowd) Further(i int) bool { return len(c.members[i].seats) > 1 }

// Cut cuts all connections.
func (c *Crowd) Cut() { c.swarm.Cut() }

// Request implements swarm.Handler: it resumes where the member was.
func (c *Crowd) Request(i int) swarm.Request {
	m := &c.members[i]
	path := "/v1/chatrooms/" + strconv.FormatInt(int64(m.Room), 10) + "/join?user=" + url.QueryEscape(string(m.Name))
	if at := m.seats[0].at; at.Epoch != 0 {
		path += "&epoch=" + strconv.FormatInt(int64(at.Epoch), 10) + "&since=" + strconv.FormatInt(int64(at.Seq), 10)
	}
	return swarm.Request{Path: path, Token: m.Token}
}

// Ended implements swarm.Handler.
func (c *Crowd) Ended(i int, end swarm.End) {
	m := &c.members[i]
	if m.seats[0].joined {
		c.joined--
	}
	m.seats = m.seats[:1] // further rooms are left with the connection
	m.seats[0].joined = false
	for j := range m.outbox {
		m.outbox[j].written = false
	}
	if end.Live {
		c.meters.tally.Add(Closed, 1)
		if m.cutAt == 0 {
			m.cutAt = c.swarm.Now()
		}
	}
	if end.Final && c.refusal == nil {
		c.refusal = &Refusal{Name: m.Name, End: end}
	}
	c.lastEnd = end
	switch end.Reason {
	case swarm.ReasonCut: // it was us
	case swarm.ReasonDrain:
		c.meters.tally.Add(Drained, 1)
	default:
		c.meters.failed(end.Reason)
	}
}

// Say sends a message of a member to his first room. What cannot be written now is written
// when he is back; the time counts from intended all the same.
func (c *Crowd) Say(i int, intended time.Duration) {
	m := &c.members[i]
	if len(m.outbox) >= maxPending {
		c.meters.failed("not_taken")
		return
	}
	m.number++
	m.outbox = append(m.outbox, pending{number: m.number, intended: intended, room: m.seats[0].room})
	c.pending++
	*c.meters.sent++
	if m.seats[0].joined {
		c.meters.late.Observe(c.cfg.Clock.Now() - intended)
		c.write(i, &m.outbox[len(m.outbox)-1])
	}
}

// write writes a send, for the first time or again: its text is always the same.
func (c *Crowd) write(i int, p *pending) {
	m := &c.members[i]
	s := stamp{run: c.cfg.Run, clock: c.cfg.ClockName, sender: m.Number, number: p.number, intended: p.intended}
	c.scratch = wire.AppendClientFrame(c.scratch[:0], &wire.ClientFrame{
		Type: wire.TypeSend, ID: string(s.id()), Room: p.room.id, Text: s.text(m.Name, p.room.id, c.cfg.Size),
	})
	if p.tried {
		c.meters.tally.Add(Resent, 1)
	}
	p.written, p.tried = true, true
	c.swarm.Send(i, c.scratch) // if it is not taken the connection has ended, and p is unwritten again
}

// rewrite writes what was not acked before the connection was lost.
func (c *Crowd) rewrite(i int) {
	m := &c.members[i]
	for j := 0; j < len(m.outbox); j++ {
		if p := &m.outbox[j]; !p.done && !p.written && p.ackedAt.Epoch == 0 && m.seats[0].joined {
			c.write(i, p)
		}
	}
}

// settle ends a send.
func (c *Crowd) settle(m *member, p *pending) {
	c.pending--
	m.outbox.settle(p)
}

// Enter lets a member join a further room.
func (c *Crowd) Enter(i int, id bw.RoomID) {
	m := &c.members[i]
	r, ok := c.rooms[id]
	if !ok || !m.seats[0].joined || m.seatIn(id) != nil {
		return
	}
	m.seats = append(m.seats, seat{room: r, asked: c.cfg.Clock.Now()})
	c.request(i, wire.TypeJoin, id)
}

// Leave lets a member leave the last of his further rooms.
func (c *Crowd) Leave(i int) {
	m := &c.members[i]
	if last := &m.seats[len(m.seats)-1]; len(m.seats) > 1 && last.joined && !last.leaving {
		last.leaving = true
		c.request(i, wire.TypeLeave, last.room.id)
	}
}

func (c *Crowd) request(i int, kind string, id bw.RoomID) {
	c.scratch = wire.AppendClientFrame(c.scratch[:0], &wire.ClientFrame{Type: kind, ID: kind, Room: id})
	c.swarm.Send(i, c.scratch)
}

func (m *member) seatIn(id bw.RoomID) *seat {
	for j := range m.seats {
		if m.seats[j].room.id == id {
			return &m.seats[j]
		}
	}
	return nil
}
