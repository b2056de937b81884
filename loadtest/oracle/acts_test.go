package oracle

import (
	"slices"
	"time"
)

// sayTwice repeats a send on the same connection.
func (w *world) sayTwice() {
	room := w.anyRoom()
	c := w.somebody(room, nil)
	m := w.sayAs(c, room)
	w.settle(time.Second)
	w.send(c, room, m.ID)
	w.ack(c, room, m, true)
}

func (w *world) refuse() {
	room := w.anyRoom()
	c := w.somebody(room, nil)
	id := w.newID()
	w.send(c, room, id)
	w.of(c, Event{Kind: Refused, Room: room, ID: id, Code: "rate_limited"})
}

// unavailable stores a message whose answer went down.
func (w *world) unavailable() {
	room := w.anyRoom()
	c := w.somebody(room, nil)
	id := w.newID()
	w.send(c, room, id)
	w.of(c, Event{Kind: Refused, Room: room, ID: id, Code: "unavailable"})
	w.rooms[room].unacked[id] = true
	w.store(room, c.user, id)
}

// post sends by HTTP, under a user who is nowhere.
func (w *world) post() {
	room := w.anyRoom()
	c := &worldConn{client: "web", user: "web"}
	w.sayAs(c, room)
}

// cut ends a connection whose client misses something and is back before that is told.
func (w *world) cut() {
	c := w.ends[w.rng.IntN(len(w.ends))]
	w.away(c, []string{"1006", "4100", "4200"}[w.rng.IntN(3)])
	w.settle(300 * time.Millisecond)
	w.back(c, c.server)
}

// away cuts a connection and lets others talk in its rooms.
func (w *world) away(c *worldConn, code string) {
	w.close(c, code)
	for room := range int64(worldRooms) {
		if c.in[room+1] {
			w.sayAs(w.somebody(room+1, c), room+1)
		}
	}
}

// back resumes all rooms, without anybody being told.
func (w *world) back(c *worldConn, server string) {
	n := w.connect(c.client, server)
	for room := range int64(worldRooms) {
		if c.in[room+1] {
			n.in[room+1] = true // nobody is told
			w.resume(n, room+1)
			w.say(room + 1) // so that it is seen to be there
		}
	}
}

// cutForLong lets a client be told gone, if nothing else of its user is there, and come.
func (w *world) cutForLong() {
	c := w.ends[w.rng.IntN(len(w.ends))]
	before := map[int64][]string{}
	for room := range c.in {
		before[room] = w.users(room)
	}
	w.close(c, "1006")
	w.settle(300 * time.Millisecond)
	w.inRooms(c, func(room int64) { w.tell(room, before[room]) })
	w.settle(12 * time.Second)
	w.inRooms(c, w.list)
	w.inRooms(c, func(room int64) { w.sayAs(w.somebody(room, c), room) })
	n := w.connect(c.client, c.server)
	w.inRooms(c, func(room int64) { w.resume(n, room) })
	w.settle(2 * time.Second)
	w.inRooms(c, w.list)
}

func (w *world) inRooms(c *worldConn, do func(room int64)) {
	for room := range int64(worldRooms) {
		if c.in[room+1] {
			do(room + 1)
		}
	}
}

// crash kills a server; who was there comes back elsewhere, soon enough.
func (w *world) crash() {
	server := string("ab"[w.rng.IntN(2)])
	other := string("ba"[server[0]-'a'])
	w.tick()
	w.note(Event{Kind: Died, Server: server})
	gone := slices.DeleteFunc(slices.Clone(w.ends), func(c *worldConn) bool { return c.server != server })
	for _, c := range gone {
		w.close(c, "1006")
	}
	w.settle(time.Second)
	for room := range int64(worldRooms) {
		if len(w.members(room+1)) > 0 {
			w.say(room + 1)
		}
	}
	for _, c := range gone {
		w.back(c, other)
	}
	w.settle(15 * time.Second)
	w.list(1)
}

// gap tells a member of messages that it does not get live, and which it fetches.
func (w *world) gap() {
	room := w.anyRoom()
	c := w.somebody(room, nil)
	first := w.sayAs(w.somebody(room, c), room, c)
	second := w.sayAs(w.somebody(room, c), room, c)
	w.of(c, Event{Kind: Gap, Room: room, Epoch: first.Epoch, From: first.Seq, To: second.Seq})
	w.sayAs(w.somebody(room, c), room)
	w.settle(200 * time.Millisecond)
	w.fetch(c, room, []Message{first, second})
}

func (w *world) fetch(c *worldConn, room int64, page []Message) {
	asked := w.now
	w.of(c, Event{Kind: Fetched, Room: room, From: page[0].Seq, To: page[len(page)-1].Seq, Asked: asked, Messages: slices.Clone(page)})
}

// reset lets a client miss more than a playback brings.
func (w *world) reset() {
	c := w.ends[w.rng.IntN(len(w.ends))]
	w.close(c, "4100")
	missed := map[int64][]Message{}
	w.inRooms(c, func(room int64) {
		for range testBounds().Playback + 2 {
			missed[room] = append(missed[room], w.sayAs(w.somebody(room, c), room))
		}
	})
	w.settle(100 * time.Millisecond)
	n := w.connect(c.client, c.server)
	w.inRooms(c, func(room int64) {
		n.in[room] = true // nobody is told
		w.enter(n, room)
		w.say(room)
	})
	w.settle(200 * time.Millisecond)
	w.inRooms(c, func(room int64) { w.fetch(n, room, missed[room][:2]) })
}

// leave lets a member leave a room by its own will and come back.
func (w *world) leave() {
	room := w.anyRoom()
	c := w.somebody(room, nil)
	before := w.users(room)
	delete(c.in, room)
	w.of(c, Event{Kind: Left, Room: room})
	w.tell(room, before)
	w.settle(3 * time.Second)
	w.list(room)
	w.say(room)
	w.enter(c, room)
	w.settle(3 * time.Second)
	w.say(room) // so that the member is seen to be there
	w.list(room)
}

// epoch begins a new one, which all members are told; nothing is lost.
func (w *world) epoch() {
	room := w.anyRoom()
	r := w.rooms[room]
	from := r.seq + 1
	r.epoch, r.seq = r.epoch+1, r.seq+1000
	for _, c := range w.members(room) {
		w.of(c, Event{Kind: Gap, Room: room, Epoch: r.epoch, From: from, To: r.seq})
		w.reached(c, room)
	}
	w.say(room)
}

// twoConnections moves a client to another server without a break.
func (w *world) twoConnections() {
	c := w.ends[w.rng.IntN(len(w.ends))]
	n := w.connect(c.client, string("ba"[c.server[0]-'a']))
	w.inRooms(c, func(room int64) { w.resume(n, room) })
	w.inRooms(c, func(room int64) { w.sayAs(n, room) })
	w.close(c, "1000")
	w.inRooms(c, func(room int64) { w.say(room) })
}

// unanswered cuts a client behind its send, which is stored or not.
func (w *world) unanswered() {
	room := w.anyRoom()
	c := w.somebody(room, nil)
	id := w.newID()
	w.send(c, room, id)
	w.close(c, "1006")
	if w.rng.IntN(2) == 0 {
		w.rooms[room].unacked[id] = true
		w.store(room, c.user, id)
	}
	w.settle(200 * time.Millisecond)
	w.back(c, c.server)
}

// fault is one that disturbs nothing.
func (w *world) fault() {
	w.tick()
	id := w.newID()
	w.note(Event{Kind: Fault, ID: id, Server: "c"})
	w.settle(time.Second)
	w.note(Event{Kind: Healed, ID: id})
	w.settle(12 * time.Second)
}
