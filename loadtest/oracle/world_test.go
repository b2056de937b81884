package oracle

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// world is a faultless cluster that is played by dice, and notes what its clients see.
// It takes its time: each thing has had its effect before the next begins, so that
// whatever is changed in its history afterwards is a fault, and not a matter of timing.
type world struct {
	rng   *rand.Rand
	h     History
	now   time.Duration
	rooms map[int64]*worldRoom
	ends  []*worldConn // connections that are open, in the order of their making
	conns map[string]int
	at    map[string]map[int64]position // where clients are
	next  int
	used  map[string]int // how often each act was played
}

type worldRoom struct {
	epoch, seq int64
	log        []Message
	unacked    map[string]bool // ids of messages that were stored without an ack
}

type worldConn struct {
	client, user, server string
	number               int
	in                   map[int64]bool
}

const worldRooms = 2

// newWorld makes a history of so many acts, each of which is played at least once if
// there are enough.
func newWorld(seed uint64, acts int) *world {
	w := &world{
		rng: rand.New(rand.NewPCG(seed, 1)), rooms: map[int64]*worldRoom{}, conns: map[string]int{},
		at: map[string]map[int64]position{}, used: map[string]int{},
	}
	bounds := testBounds()
	w.note(Event{Kind: Run, Bounds: &bounds})
	for room := range int64(worldRooms) {
		w.rooms[room+1] = &worldRoom{epoch: 1, unacked: map[string]bool{}}
	}
	for i, client := range []string{"ann", "bob", "bob.phone", "cid"} {
		w.arrive(client, string("ab"[i%2]))
	}
	all := w.acts()
	names := slices.Sorted(maps.Keys(all))
	w.rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for i := range acts {
		name := names[i%len(names)]
		if i >= len(names) {
			name = names[w.rng.IntN(len(names))]
		}
		w.used[name]++
		all[name]()
		w.settle(4 * time.Second)
	}
	w.end()
	return w
}

func (w *world) acts() map[string]func() {
	return map[string]func(){
		"say": func() { w.say(w.anyRoom()) }, "say twice": w.sayTwice, "refuse": w.refuse, "unavailable": w.unavailable,
		"post": w.post, "cut": w.cut, "cut for long": w.cutForLong, "crash": w.crash, "gap": w.gap, "reset": w.reset,
		"leave": w.leave, "epoch": w.epoch, "two connections": w.twoConnections, "unanswered": w.unanswered, "fault": w.fault,
	}
}

func (w *world) note(e Event) {
	e.At = w.now
	w.h = append(w.h, e)
}

// settle lets time pass, after a little that everything takes.
func (w *world) settle(d time.Duration) { w.now += d }

func (w *world) tick() { w.now += 10 * time.Millisecond }

func (w *world) anyRoom() int64 { return 1 + w.rng.Int64N(worldRooms) }

// of notes an event of a connection.
func (w *world) of(c *worldConn, e Event) {
	w.tick()
	e.Client, e.Conn = c.client, c.number
	w.note(e)
}

// members are the connections in a room.
func (w *world) members(room int64) (all []*worldConn) {
	for _, c := range w.ends {
		if c.in[room] {
			all = append(all, c)
		}
	}
	return all
}

// users are those of the members, each once.
func (w *world) users(room int64) []string {
	names := map[string]bool{}
	for _, c := range w.members(room) {
		names[c.user] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// somebody is a member of a room whose client is not the other's.
func (w *world) somebody(room int64, but *worldConn) *worldConn {
	all := slices.DeleteFunc(w.members(room), func(c *worldConn) bool { return but != nil && c.client == but.client })
	return all[w.rng.IntN(len(all))]
}

// connect makes a connection, which is in no room yet.
func (w *world) connect(client, server string) *worldConn {
	w.conns[client]++
	c := &worldConn{client: client, user: owner(client), server: server, number: w.conns[client], in: map[int64]bool{}}
	w.ends = append(w.ends, c)
	w.of(c, Event{Kind: Connected, User: c.user, Server: server})
	return c
}

// arrive brings a client into all rooms, and lets it say something.
func (w *world) arrive(client, server string) {
	c := w.connect(client, server)
	for room := range int64(worldRooms) {
		w.enter(c, room+1)
		w.settle(2 * time.Second)
	}
	for room := range int64(worldRooms) {
		w.sayAs(c, room+1)
		w.settle(2 * time.Second)
	}
}

// enter is a first join, with the newest messages, and what the others are told.
func (w *world) enter(c *worldConn, room int64) {
	r := w.rooms[room]
	before := w.users(room)
	c.in[room] = true
	newest := r.log[max(0, len(r.log)-int(testBounds().Playback)):]
	w.of(c, Event{Kind: Joined, Room: room, Epoch: r.epoch, Seq: r.seq, Messages: slices.Clone(newest)})
	w.reached(c, room)
	w.tell(room, before)
}

// resume brings a connection to where its client was; it says how many messages that is.
func (w *world) resume(c *worldConn, room int64) {
	r := w.rooms[room]
	before := w.users(room)
	since := w.at[c.client][room]
	missed := slices.DeleteFunc(slices.Clone(r.log), func(m Message) bool { return !(position{m.Epoch, m.Seq}).behind(since) })
	c.in[room] = true
	w.of(c, Event{Kind: Joined, Room: room, Epoch: r.epoch, Seq: r.seq, Recovered: true, Since: since.seq, Messages: missed})
	w.reached(c, room)
	w.tell(room, before)
}

func (w *world) reached(c *worldConn, room int64) {
	if w.at[c.client] == nil {
		w.at[c.client] = map[int64]position{}
	}
	w.at[c.client][room] = position{w.rooms[room].epoch, w.rooms[room].seq}
}

// tell notes what the members hear of who came and went.
func (w *world) tell(room int64, before []string) {
	now := w.users(room)
	diff := func(a, b []string) []string {
		return slices.DeleteFunc(slices.Clone(a), func(name string) bool { return slices.Contains(b, name) })
	}
	for _, c := range w.members(room) {
		self := func(name string) bool { return name == c.user }
		if came := slices.DeleteFunc(diff(now, before), self); len(came) > 0 {
			w.of(c, Event{Kind: Came, Room: room, Names: came})
		}
		if went := slices.DeleteFunc(diff(before, now), self); len(went) > 0 {
			w.of(c, Event{Kind: Went, Room: room, Names: went})
		}
	}
}

// list notes the user list of a room as some server gives it.
func (w *world) list(room int64) {
	w.tick()
	asked := w.now
	w.tick()
	w.note(Event{Kind: List, Room: room, Server: string("ab"[w.rng.IntN(2)]), Names: w.users(room), Asked: asked})
}

// store puts a message into a room's log, and brings it to the members but some.
func (w *world) store(room int64, user, id string, but ...*worldConn) Message {
	r := w.rooms[room]
	r.seq++
	m := Message{r.epoch, r.seq, id, user, "text of " + id}
	r.log = append(r.log, m)
	for _, c := range w.members(room) {
		if !slices.Contains(but, c) {
			w.of(c, received(room, m))
			w.reached(c, room)
		}
	}
	return m
}

func received(room int64, m Message) Event {
	return Event{Kind: Received, Room: room, Epoch: m.Epoch, Seq: m.Seq, ID: m.ID, User: m.User, Text: m.Text}
}

func (w *world) newID() string {
	w.next++
	return fmt.Sprint("m", w.next)
}

func (w *world) send(c *worldConn, room int64, id string) {
	w.of(c, Event{Kind: Sent, Room: room, ID: id, User: c.user, Text: "text of " + id})
}

func (w *world) ack(c *worldConn, room int64, m Message, duplicate bool) {
	w.of(c, Event{Kind: Acked, Room: room, ID: m.ID, Epoch: m.Epoch, Seq: m.Seq, Duplicate: duplicate})
}

func (w *world) sayAs(c *worldConn, room int64, but ...*worldConn) Message {
	id := w.newID()
	w.send(c, room, id)
	m := w.store(room, c.user, id, but...)
	w.ack(c, room, m, false)
	return m
}

func (w *world) say(room int64) { w.sayAs(w.somebody(room, nil), room) }

// close ends a connection; what that means for others is told by who calls.
func (w *world) close(c *worldConn, code string) {
	w.of(c, Event{Kind: Closed, Code: code})
	w.ends = slices.DeleteFunc(w.ends, func(o *worldConn) bool { return o == c })
}

// end reads what the databases have.
func (w *world) end() {
	w.settle(3 * testBounds().LossGrace)
	for _, room := range slices.Sorted(maps.Keys(w.rooms)) {
		w.say(room)
		w.settle(4 * time.Second)
		w.list(room)
	}
	w.settle(4 * time.Second)
	for _, room := range slices.Sorted(maps.Keys(w.rooms)) {
		for _, m := range w.rooms[room].log {
			e := received(room, m)
			e.Kind = Document
			w.note(e)
		}
		for _, c := range w.members(room) {
			w.note(Event{Kind: Membership, Room: room, User: c.user, Server: c.server})
		}
	}
	w.note(Event{Kind: Complete, Names: []string{Documents, Memberships, Presence, Fetches}})
	w.settle(time.Second)
	w.note(Event{Kind: End})
}

func owner(client string) string {
	for i, r := range client {
		if r == '.' {
			return client[:i]
		}
	}
	return client
}
