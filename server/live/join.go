package live

import (
	"bytes"
	"context"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/internal/ablation"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/wire"
)

// firstJoin joins the room of the upgrade request. If it fails the client is
// told why and comes back later.
func (c *conn) firstJoin(hello Hello) {
	ctx, cancel := context.WithTimeout(c.hub.ctx, c.hub.cfg.JoinTimeout)
	defer cancel()
	if err := c.joinKnownRoom(ctx, "", hello.Room, hello.Since); err != nil {
		c.hub.deps.Log.Warn("a first join failed", "room", hello.Room, "error", err, "request", hello.RequestID)
		c.refuse("", err)
		c.closeWith(wire.CloseOverloaded, "the room could not be joined")
	}
}

// joinRoom joins a further room.
func (c *conn) joinRoom(ctx context.Context, id string, room bw.RoomID, since *bw.Position) (err error) {
	if c.hub.crowded() {
		return errCrowded()
	}
	leave, err := c.hub.EnterJoin(since != nil)
	if err != nil {
		return err
	}
	defer func() { leave(err == nil) }()
	if _, err := c.hub.deps.Rooms.FindRoom(ctx, room); err != nil {
		return err
	}
	if _, err := c.memberOf(room); err == nil {
		return bw.Errorf(bw.AlreadyInRoom, "this connection is in room %d already", room)
	}
	if rooms := c.roomCount(); rooms >= c.hub.cfg.MaxRooms {
		return bw.Errorf(bw.TooManyRooms, "this connection is in %d rooms, which is as many as it may be; use a further one", rooms)
	}
	return c.joinKnownRoom(ctx, id, room, since)
}

// joinKnownRoom writes the membership, then, in one step, takes the room's
// playback and a place in its log.
func (c *conn) joinKnownRoom(ctx context.Context, id string, roomID bw.RoomID, since *bw.Position) (err error) {
	began := time.Now()
	result := joinFailed
	defer func() {
		c.hub.metrics.joins.WithLabelValues(result).Inc()
		c.hub.metrics.joinLatency.Observe(time.Since(began).Seconds())
	}()
	r, err := c.hub.acquireRoom(ctx, roomID)
	if err != nil {
		return err
	}
	life := c.hub.members.life()
	outcome, err := c.hub.join(ctx, c, roomID)
	if err != nil {
		c.hub.releaseRoom(r)
		return err
	}
	recovered, joined, err := r.enter(ctx, c, id, since, outcome)
	if !joined {
		if err != nil {
			c.hub.leave(c, roomID)
		} else { // the connection ended meanwhile
			c.hub.lose(c, roomID)
		}
		c.hub.releaseRoom(r)
		return err
	}
	c.hub.members.confirm(c, life)
	switch {
	case recovered:
		result = joinRecovered
	case since != nil:
		result = joinReset
	default:
		result = joinFresh
	}
	return nil
}

// maxChases is how often a join reads on after messages that came while it read.
const maxChases = 5

// enter makes the connection a member and queues its `joined` frame. joined is
// false if it did not come to that.
func (r *room) enter(ctx context.Context, c *conn, id string, since *bw.Position, o store.Outcome) (recovered, joined bool, err error) {
	if err := r.fill(ctx); err != nil {
		return false, false, err
	}
	if since == nil {
		return false, r.begin(c, id, o), nil
	}
	if err := r.catchUp(ctx, *since); err != nil {
		return false, false, err
	}
	reached := *since
	var missed []encoded
	for range maxChases {
		r.mu.Lock()
		if !r.canResume(*since) {
			r.mu.Unlock()
			return false, r.begin(c, id, o), nil
		}
		if newest, ok := r.recent.after(reached, r.head); ok {
			joined := r.admit(c, id, true, o, append(upTo(missed, r.head.Seq), newest...))
			r.mu.Unlock()
			r.hub.sched.add(c)
			return true, joined, nil
		}
		r.mu.Unlock()
		more, err := r.missed(ctx, reached)
		if err != nil {
			return false, false, err
		}
		if len(more) == 0 {
			// The history does not have it yet: rather no recovery than one with a hole.
			return false, r.begin(c, id, o), nil
		}
		missed = append(missed, more...)
		reached = more[len(more)-1].Position
	}
	return false, false, bw.Unavailablef(nil, "the room is too busy to catch up with; try again")
}

// begin admits the connection with the newest messages.
func (r *room) begin(c *conn, id string, o store.Outcome) bool {
	r.mu.Lock()
	joined := r.admit(c, id, false, o, []encoded{{object: r.recent.last(r.hub.cfg.Limits.PlaybackSize)}})
	r.mu.Unlock()
	r.hub.sched.add(c)
	return joined
}

// upTo leaves out what is newer than the room's head: the broker's tail may be
// ahead of what it has delivered, and what it delivers comes live.
func upTo(all []encoded, head bw.Seq) []encoded {
	n := len(all)
	for n > 0 && all[n-1].Seq > head {
		n--
	}
	return all[:n:n]
}

// catchUp waits until the room has got as far as a client that resumes, who may
// have read of a message by HTTP before it was delivered here. A seq that the
// broker does not know either is not waited for.
func (r *room) catchUp(ctx context.Context, since bw.Position) error {
	if !r.isBehind(since) {
		return nil
	}
	tail, err := r.hub.deps.Broker.Tail(ctx, r.id, since.Seq, 0)
	if err != nil || tail.Head.Epoch != since.Epoch || tail.Head.Seq < since.Seq {
		return err
	}
	for moved := r.watchHead(); r.isBehind(since); moved = r.watchHead() {
		select {
		case <-moved:
		case <-ctx.Done():
			return bw.Unavailablef(ctx.Err(), "the room could not be caught up with in time")
		}
	}
	return nil
}

func (r *room) isBehind(since bw.Position) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return since.Epoch == r.head.Epoch && since.Seq > r.head.Seq
}

// watchHead returns a channel that is closed when the head moves.
func (r *room) watchHead() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.moved == nil {
		r.moved = make(chan struct{})
	}
	return r.moved
}

// canResume tells whether everything behind a position can be played back.
// Called under mu.
func (r *room) canResume(since bw.Position) bool {
	return since.Epoch == r.head.Epoch && since.Seq <= r.head.Seq &&
		int64(r.head.Seq-since.Seq) <= int64(r.hub.cfg.Limits.MaxResume)
}

// admit adds the member at the head of the log with the playback that ends
// there. Called under mu.
func (r *room) admit(c *conn, id string, recovered bool, o store.Outcome, playback []encoded) bool {
	users := o.Users
	if r.presence.version > o.Version { // the others have been told newer news
		users = r.presence.users
	}
	head := wire.AppendJoinedHead(nil, id, r.id, r.head, recovered)
	tail := wire.AppendJoinedTail(nil, max(1, users)) // himself at least, while nobody can count
	size := len(head) + len(tail)
	parts := make([][]byte, 0, len(playback))
	for _, e := range playback {
		object := e.object
		if len(parts) == 0 {
			object = bytes.TrimPrefix(object, []byte{','})
		}
		parts = append(parts, object)
		size += len(object)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != open {
		return false
	}
	c.queue(append(wire.AppendFrameHeader(make([]byte, 0, wire.MaxFrameHeader+len(head)), wire.OpText, size), head...))
	c.queue(parts...)
	c.queue(tail)
	r.log.mark(r.head)
	m := &member{conn: c, room: r, index: len(r.members), cursor: r.log.end()}
	c.rooms = append(c.rooms, m)
	r.members = append(r.members, m)
	return true
}

// missed reads what is behind a position, without a hole; nothing if it cannot.
func (r *room) missed(ctx context.Context, last bw.Position) ([]encoded, error) {
	release, err := r.hub.TakeTurn(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	read, err := r.hub.deps.Playback.Missed(ctx, r.id, last, r.hub.cfg.Limits.MaxResume)
	return encodeAll(read), err
}

// join writes the membership and tells the room if the user was not in it. While
// the store is away the outcome is empty: it is written, and told, later.
func (h *Hub) join(ctx context.Context, c *conn, room bw.RoomID) (store.Outcome, error) {
	if !h.deps.Lease.Standing() {
		return store.Outcome{}, errNotStanding()
	}
	type answer struct {
		outcome store.Outcome
		err     error
	}
	answers := make(chan answer, 2)
	h.members.add(&memberChange{
		Change: c.change(room, false),
		done: func(o store.Outcome, err error) {
			h.tellJoined(c, room, o)
			answers <- answer{o, err}
		},
		postponed: func() { answers <- answer{} },
	})
	select {
	case a := <-answers:
		return a.outcome, a.err
	case <-ctx.Done():
		h.leave(c, room)
		return store.Outcome{}, bw.Unavailablef(ctx.Err(), "the room could not be joined in time")
	}
}

// tellJoined tells the room, if the user was not in it.
func (h *Hub) tellJoined(c *conn, room bw.RoomID, o store.Outcome) {
	if o.Changed {
		h.deps.Broker.Notify(broker.Notice{Room: room, Joined: []bw.Name{c.name}, Users: o.Users, PresenceVersion: o.Version})
	}
}

// lose ends a membership with its connection. While the server drains it stays: its
// user has been asked to come back somewhere else, and is not to be told gone for it.
func (h *Hub) lose(c *conn, room bw.RoomID) {
	if !h.draining.Load() || ablation.Off(ablation.DrainStays) {
		h.leave(c, room)
	}
}

// leave takes the membership back, in its own time, and tells the room if the
// user is not in it any more.
func (h *Hub) leave(c *conn, room bw.RoomID) { h.members.add(h.leaving(c, room)) }

func (h *Hub) leaving(c *conn, room bw.RoomID) *memberChange {
	return &memberChange{Change: c.change(room, true), done: func(o store.Outcome, err error) {
		if err == nil && o.Changed {
			h.deps.Broker.Notify(broker.Notice{Room: room, Left: []bw.Name{c.name}, Users: o.Users, PresenceVersion: o.Version})
		}
	}}
}

// entering is the join of a connection that is in the room, for a new life of the
// server. If it cannot be, the connection goes elsewhere.
func (h *Hub) entering(c *conn, room bw.RoomID) *memberChange {
	return &memberChange{Change: c.change(room, false), done: func(o store.Outcome, err error) {
		if err != nil {
			c.closeWith(wire.CloseFenced, "")
			return
		}
		h.metrics.reentries.Inc()
		h.tellJoined(c, room, o)
	}}
}

func (c *conn) change(room bw.RoomID, leave bool) store.Change {
	return store.Change{Room: room, User: c.user, Connection: c.id, Leave: leave}
}
