package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	bw "github.com/breakwater-chat/breakwater"
)

// sighting is the newest that a server has seen of a room.
type sighting struct {
	bw.Position
	timestamp bw.Millis
}

// sightings are those of all rooms. A room that is forgotten is not fenced; it
// is seen again with the next message.
type sightings struct {
	mu    sync.Mutex // guards rooms
	rooms map[bw.RoomID]sighting
}

// maxSightings bounds their memory, at some 50 bytes each.
const maxSightings = 1 << 16

func (s *sightings) of(room bw.RoomID) sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rooms[room]
}

// raise notes what has been seen, unless more has been seen before.
func (s *sightings) raise(room bw.RoomID, at bw.Position, timestamp bw.Millis) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, known := s.rooms[room]
	if !known && len(s.rooms) >= maxSightings {
		for other := range s.rooms {
			delete(s.rooms, other)
			break
		}
	}
	if newer(at, seen.Position) {
		seen.Position = at
	}
	seen.timestamp = max(seen.timestamp, timestamp)
	s.rooms[room] = seen
}

// newer tells whether a position is behind another one. Seqs never repeat, but
// a life that was lost may have gone further than the next one has yet.
func newer(a, b bw.Position) bool {
	return a.Epoch > b.Epoch || a.Epoch == b.Epoch && a.Seq > b.Seq
}

// renewal is a room's new life on its way: done is closed when the rest is set.
type renewal struct {
	done chan struct{}
	head head
	err  error
}

// headOf reads where a room is, and begins its next life if it was forgotten.
func (b *Broker) headOf(ctx context.Context, room bw.RoomID) (head, error) {
	h, err := b.oneHead(ctx, ask{room: room, mode: modeRead, seen: b.seen.of(room)})
	if err != nil {
		return head{}, err
	}
	if h.forgotten {
		r := b.renew(ask{room: room, mode: modeRenew})
		select {
		case <-r.done:
		case <-ctx.Done():
			return head{}, fmt.Errorf("wait for a new life of room %d: %w", room, ctx.Err())
		}
		if r.err != nil {
			return head{}, r.err
		}
		h = r.head
	}
	b.seen.raise(room, h.Position, 0)
	return h, nil
}

// renew begins a new life unless somebody else has; one call a room at a time.
func (b *Broker) renew(a ask) *renewal {
	b.mu.Lock()
	r := b.renewals[a.room]
	if r != nil {
		b.mu.Unlock()
		return r
	}
	r = &renewal{done: make(chan struct{}), err: errClosed}
	b.renewals[a.room] = r
	b.mu.Unlock()
	started := b.spawn(func() {
		r.head, r.err = b.beginLife(a)
		b.endRenewal(a.room, r)
	})
	if !started {
		b.endRenewal(a.room, r)
	}
	return r
}

// endRenewal lets the room's receivers know; what failed is tried again.
func (b *Broker) endRenewal(id bw.RoomID, r *renewal) {
	b.mu.Lock()
	delete(b.renewals, id)
	followed := b.rooms[id]
	b.mu.Unlock()
	close(r.done)
	switch {
	case followed == nil:
	case r.err != nil:
		b.doubt(followed, causeHole)
	default:
		followed.tell(r.head, causeHole)
	}
}

func (b *Broker) beginLife(a ask) (head, error) {
	a.durable = b.newest(a.room)
	seen := b.seen.of(a.room)
	if a.mode == modeRenew {
		a.seen.Position = seen.Position
	}
	a.seen.timestamp = seen.timestamp
	h, err := b.oneHead(b.ctx, a)
	if err != nil {
		return head{}, fmt.Errorf("begin a new life of room %d: %w", a.room, err)
	}
	if h.begun {
		b.metrics.lives.WithLabelValues(string(a.mode)).Inc()
		b.cfg.Logger.Warn("the log has lost messages: a room begins a new life",
			"room", int64(a.room), "reason", string(a.mode), "epoch", int64(h.Epoch), "first_seq", int64(h.floor))
	}
	b.seen.raise(a.room, h.Position, 0)
	return h, nil
}

// newest asks the history, a few rooms at a time. Zero without an answer in time.
func (b *Broker) newest(room bw.RoomID) bw.Position {
	if b.cfg.Newest == nil {
		return bw.Position{}
	}
	ctx, cancel := context.WithTimeout(b.ctx, b.cfg.NewestTimeout)
	defer cancel()
	select {
	case b.asking <- struct{}{}:
		defer func() { <-b.asking }()
	case <-ctx.Done():
		return bw.Position{}
	}
	at, err := b.cfg.Newest(ctx, room)
	if err != nil && !errors.Is(err, context.Canceled) {
		b.metrics.newestFailures.Inc()
	}
	if err != nil {
		return bw.Position{}
	}
	return at
}
