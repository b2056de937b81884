package live

import (
	"context"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/wire"
)

// room is a room that has, or had a moment ago, members on this server. It is
// the broker's receiver for it.
type room struct {
	hub *Hub
	id  bw.RoomID
	log roomLog

	// opened is closed when open is over; err says how, and sub is what Close ends.
	opened chan struct{}
	err    error
	sub    broker.Subscription

	// refs and emptySince are guarded by hub.mu.
	refs       int
	emptySince time.Time

	job jobState // guarded by the scheduler

	// The rest is guarded by mu.
	mu       sync.Mutex
	head     bw.Position   // the newest position that is in log
	moved    chan struct{} // closed when head moves; nil while nobody waits for it
	recent   recent
	filled   time.Time // when older messages than the recent ones were last looked for
	members  []*member
	presence presence
	typed    map[bw.Name]time.Time
	lastPass time.Time // when the last pass ended
	waiting  bool      // a timer will ask for the next pass
	passing  bool      // a pass is under way; its end asks for the next one
	oldest   bw.Millis // timestamp of the oldest message that no pass has begun to write; 0 if none
	unpassed int       // messages since the last pass
}

func (r *room) place() *jobState { return &r.job }

// busyMembers is from how many members on a room is worth waiting for.
const busyMembers = 32

// Deliver implements broker.Receiver: each message is encoded and framed once.
func (r *room) Deliver(batch []bw.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var frames []byte
	for i := range batch {
		m := &batch[i]
		if m.Epoch == r.head.Epoch && m.Seq <= r.head.Seq {
			continue // the position that Subscribe returned came first
		}
		e := encode(m)
		const head = `{"type":"message",`
		fields := e.object[len(",{"):]
		frames = wire.AppendFrameHeader(frames, wire.OpText, len(head)+len(fields))
		frames = append(append(frames, head...), fields...)
		r.head = m.Position()
		r.recent.add(e, r.hub.cfg.Limits.PlaybackSize)
		r.unpassed++
		if r.oldest == 0 {
			r.oldest = m.Timestamp
		}
	}
	r.tellMoved()
	r.append(frames)
}

// tellMoved wakes who waits for the head. Called under mu.
func (r *room) tellMoved() {
	if r.moved != nil {
		close(r.moved)
		r.moved = nil
	}
}

// Gap implements broker.Receiver.
func (r *room) Gap(epoch bw.Epoch, from, to bw.Seq) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.head = bw.Position{Epoch: epoch, Seq: to}
	r.recent, r.filled = recent{}, time.Time{}
	r.tellMoved()
	r.append(textFrame(wire.AppendGap(nil, r.id, epoch, from, to)))
}

// Notify implements broker.Receiver.
func (r *room) Notify(n broker.Notice) {
	if n.Typing != "" {
		r.showTyping(n.Typing)
		return
	}
	if n.ID != 0 {
		if _, known := r.hub.told.note(n.ID, 0); known {
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.presence.add(n)
	if !r.presence.scheduled {
		r.presence.scheduled = true
		time.AfterFunc(r.hub.cfg.PresenceInterval, r.showPresence)
	}
}

// showPresence tells the members who came and went since the last time.
func (r *room) showPresence() {
	r.mu.Lock()
	defer r.mu.Unlock()
	joined, left, changed := r.presence.take()
	if changed {
		r.append(textFrame(wire.AppendPresence(nil, r.id, r.presence.users, joined, left)))
	}
}

func textFrame(payload []byte) []byte {
	frame := wire.AppendFrameHeader(make([]byte, 0, wire.MaxFrameHeader+len(payload)), wire.OpText, len(payload))
	return append(frame, payload...)
}

// append adds frames for all members and asks for a pass. Called under mu.
func (r *room) append(frames []byte) {
	if len(frames) == 0 || len(r.members) == 0 {
		r.oldest, r.unpassed = 0, 0
		return
	}
	r.log.append(frames, r.head, r.hub.maxLag())
	if !r.waiting && !r.passing {
		r.schedule()
	}
}

// schedule asks for a pass. Called under mu.
func (r *room) schedule() {
	// A pass over many members costs so much more than what it writes that a
	// busy room does well to let it fill; a quiet one is written at once.
	if wait := r.hub.cfg.BusyDelay - time.Since(r.lastPass); wait > 0 && len(r.members) >= busyMembers {
		r.waiting = true
		time.AfterFunc(wait, func() { r.hub.sched.add(r) })
		return
	}
	r.hub.sched.add(r)
}

// work is a pass: every member that is ready gets what its cursor has not seen.
func (r *room) work() {
	r.mu.Lock()
	members := append([]*member(nil), r.members...)
	oldest, messages := r.oldest, r.unpassed
	r.oldest, r.unpassed = 0, 0
	r.waiting, r.passing = false, true
	head := r.log.end()
	r.mu.Unlock()
	for _, m := range members {
		if m.conn.link.direct() {
			m.conn.flush(false)
		} else {
			m.conn.link.nudge()
		}
	}
	r.mu.Lock()
	r.lastPass = time.Now()
	r.passing = false
	if r.log.end() != head { // who was passed early has not seen all
		r.schedule()
	}
	r.mu.Unlock()
	if messages > 0 {
		r.hub.metrics.messagesOut.Add(float64(messages * len(members)))
		r.hub.metrics.delivery.Observe(max(0, time.Since(oldest.Time()).Seconds()))
	}
}

// remove takes a member out.
func (r *room) remove(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.members) - 1
	moved := r.members[last]
	r.members[m.index] = moved
	moved.index = m.index
	r.members[last] = nil
	r.members = r.members[:last]
}

// tidy frees the part of the log that all members have seen, the last segment
// only when the room is quiet. It returns how many bytes the log still holds.
func (r *room) tidy(quiet time.Duration) (held int) {
	if held = r.log.held(); held == 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	head := r.log.end()
	lowest := head
	for _, m := range r.members {
		m.conn.mu.Lock()
		lowest = min(lowest, m.cursor)
		m.conn.mu.Unlock()
	}
	r.log.release(lowest)
	if lowest == head && time.Since(r.lastPass) >= quiet {
		r.log.forget(head)
	}
	return r.log.held()
}

// open subscribes and learns the newest messages.
func (r *room) open() {
	defer close(r.opened)
	ctx, cancel := context.WithTimeout(r.hub.ctx, r.hub.cfg.JoinTimeout)
	defer cancel()
	sub, pos, err := r.hub.deps.Broker.Subscribe(ctx, r.id, r)
	if err != nil {
		r.err = err
		return
	}
	r.mu.Lock()
	if r.head == (bw.Position{}) { // nothing was delivered yet
		r.head = pos
	}
	r.mu.Unlock()
	if err := r.fill(ctx); err != nil {
		sub.Close()
		r.err = err
		return
	}
	r.sub = sub
}

// acquireRoom returns the room, opened; releaseRoom gives it back.
func (h *Hub) acquireRoom(ctx context.Context, id bw.RoomID) (*room, error) {
	h.mu.Lock()
	if h.rooms == nil {
		h.mu.Unlock()
		return nil, bw.Unavailablef(nil, "this server has stopped")
	}
	r := h.rooms[id]
	if r == nil {
		r = &room{hub: h, id: id, opened: make(chan struct{})}
		h.rooms[id] = r
		h.metrics.rooms.Inc()
		h.wg.Go(r.open)
	}
	r.refs++
	h.mu.Unlock()
	select {
	case <-r.opened:
	case <-ctx.Done():
		h.releaseRoom(r)
		return nil, bw.Unavailablef(ctx.Err(), "the room could not be opened in time")
	}
	if r.err != nil {
		h.releaseRoom(r)
		return nil, r.err
	}
	return r, nil
}

func (h *Hub) releaseRoom(r *room) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.refs--; r.refs == 0 {
		r.emptySince = time.Now()
	}
}

// closeEmptyRooms unsubscribes from rooms that nobody has been in for a while,
// and forgets at once those that could not be opened.
func (h *Hub) closeEmptyRooms() {
	var closed []*room
	h.mu.Lock()
	for id, r := range h.rooms {
		select {
		case <-r.opened:
		default:
			continue
		}
		if r.refs == 0 && (r.err != nil || time.Since(r.emptySince) >= h.cfg.RoomLinger) {
			delete(h.rooms, id)
			closed = append(closed, r)
		}
	}
	h.mu.Unlock()
	for _, r := range closed {
		h.metrics.rooms.Dec()
		if r.sub != nil {
			r.sub.Close()
		}
	}
}

// closeRooms ends all subscriptions when the hub closes; no room opens afterwards.
func (h *Hub) closeRooms() {
	h.mu.Lock()
	rooms := h.rooms
	h.rooms = nil
	h.mu.Unlock()
	for _, r := range rooms {
		<-r.opened
		if r.sub != nil {
			r.sub.Close()
		}
		h.metrics.rooms.Dec()
	}
}
