package redisbroker

import (
	"context"
	"slices"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// subscription is one receiver's place in a room.
type subscription struct {
	room     *room
	receiver broker.Receiver
	end      sync.Once
	// closed and last are guarded by room.calling.
	closed bool
	// last is the seq up to which the receiver needs nothing: it may have
	// subscribed behind what the others have been given.
	last bw.Seq
}

// Subscribe implements broker.Broker. Messages may not arrive yet when the position
// is read: as soon as they do, the room is compared with the log.
func (b *Broker) Subscribe(ctx context.Context, id bw.RoomID, receiver broker.Receiver) (broker.Subscription, bw.Position, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*b.cfg.ReadTimeout)
	defer cancel()
	r, err := b.hold(id)
	if err != nil {
		return nil, bw.Position{}, b.unavailable(err, "the room cannot be subscribed to now")
	}
	h, err := b.headOf(ctx, id)
	if err != nil {
		b.letGo(r)
		return nil, bw.Position{}, b.unavailable(err, "the room cannot be subscribed to now")
	}
	s, at := r.join(h, receiver)
	return s, at, nil
}

// join adds a receiver behind what is known of the room.
func (r *room) join(h head, receiver broker.Receiver) (*subscription, bw.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := h.Position
	if !r.started {
		r.started = true
		r.cursor.at, r.published = at, at
	}
	if newer(r.published, at) {
		at = r.published
	} else if at != r.published {
		// It is on its way, or was not announced, or is of a new life.
		r.hear(h, causeCheck)
	}
	r.wake()
	s := &subscription{room: r, receiver: receiver, last: at.Seq}
	r.subs = append(slices.Clip(r.subs), s)
	return s, at
}

// deliver is called under room.calling.
func (s *subscription) deliver(batch []bw.Message) {
	for len(batch) > 0 && batch[0].Seq <= s.last {
		batch = batch[1:]
	}
	if len(batch) == 0 {
		return
	}
	s.last = batch[len(batch)-1].Seq
	s.receiver.Deliver(batch)
}

// gap is called under room.calling.
func (s *subscription) gap(epoch bw.Epoch, from, to bw.Seq) {
	if from = max(from, s.last+1); from > to {
		return
	}
	s.last = to
	s.receiver.Gap(epoch, from, to)
}

// Close implements broker.Subscription. It waits for a running call of any
// receiver of the room.
func (s *subscription) Close() {
	s.end.Do(func() {
		r := s.room
		r.calling.Lock()
		s.closed = true
		r.calling.Unlock()

		r.mu.Lock()
		at := slices.Index(r.subs, s)
		r.subs = slices.Concat(r.subs[:at], r.subs[at+1:])
		r.mu.Unlock()
		r.b.letGo(r)
	})
}

// hold finds or makes the room and keeps it followed until letGo.
func (b *Broker) hold(id bw.RoomID) (*room, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return nil, errClosed
	}
	r := b.rooms[id]
	if r == nil {
		r = &room{b: b, id: id}
		b.rooms[id] = r
		b.unfollowed[r] = struct{}{}
		signal(b.followed)
	}
	r.holders++
	delete(b.idle, r)
	return r, nil
}

// letGo ends a hold. The room is followed for a moment longer.
func (b *Broker) letGo(r *room) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.holders--; r.holders == 0 {
		b.idle[r] = time.Now()
	}
}
