package membroker

import (
	"context"
	"fmt"
	"sync"

	bw "github.com/breakwater-chat/breakwater"
)

// room is what the broker knows of one room. It stays in Broker.rooms, and so
// stays the only one of its id, as long as somebody holds it.
type room struct {
	id bw.RoomID
	// loading is held by the one who asks the log for the head.
	loading chan struct{}
	// calling is held while receivers are called: one call at a time. Nothing
	// else is locked under it, nor it under anything else.
	calling sync.Mutex

	// Guarded by Broker.mu.
	holders int
	// known says that head and last have been read from the log. From then on
	// the sequencer keeps them.
	known bool
	// head is the newest published position: what subscribers have been given.
	head bw.Position
	last bw.Millis
	// askUntil is the end of the time in which the log must be asked for every
	// send, because sends from before the start of the process may count.
	askUntil bw.Millis
	// subs is replaced, never changed, so that it can be walked without the lock.
	subs []*subscription
	tail tail

	// Owned by the sequencer, for the batch at hand.
	inBatch bool
	nextSeq bw.Seq
	// firstIn and lastIn are the first and the last new message among the
	// entries, fresh is how many there are.
	firstIn, lastIn, fresh int
	// audience are the subscribers who must be given what is new.
	audience []*subscription
}

// hold finds or makes the room and keeps it until release. Call it under b.mu.
func (b *Broker) hold(id bw.RoomID) *room {
	r := b.rooms[id]
	if r == nil {
		r = &room{id: id, loading: make(chan struct{}, 1)}
		b.rooms[id] = r
	}
	if r.holders == 0 {
		delete(b.idle, id)
	}
	r.holders++
	return r
}

// release ends a hold. Call it under b.mu. Some rooms that nobody holds stay
// for their head, the others are forgotten.
func (b *Broker) release(r *room) {
	r.holders--
	if r.holders > 0 {
		return
	}
	if !r.known {
		delete(b.rooms, r.id)
		return
	}
	b.idle[r.id] = struct{}{}
	for id := range b.idle {
		if len(b.idle) <= b.cfg.IdleRooms {
			break
		}
		delete(b.idle, id)
		delete(b.rooms, id)
	}
}

// load reads the head of a held room from the log unless it is known. Nobody
// commits to the room meanwhile: the sequencer comes through here as well.
func (b *Broker) load(ctx context.Context, r *room) error {
	select {
	case r.loading <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for the head of room %d: %w", r.id, ctx.Err())
	}
	defer func() { <-r.loading }()

	b.mu.Lock()
	known := r.known
	b.mu.Unlock()
	if known {
		return nil
	}
	pos, last, err := b.log.Head(ctx, r.id)
	if err != nil {
		return fmt.Errorf("read the head of room %d: %w", r.id, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r.known, r.head, r.last = true, pos, last
	r.askUntil = b.askUntil(pos, last)
	return nil
}

// askUntil tells how long the memory of recent sends is not enough for a room
// of that head. The memory is whole once the process has run for a window. Until
// then a room needs the log, unless it has been silent for the last window.
func (b *Broker) askUntil(head bw.Position, last bw.Millis) bw.Millis {
	window := bw.Millis(bw.DedupeWindow.Milliseconds())
	if head.Seq == 0 || last < bw.MillisOf(b.cfg.Now())-window {
		return 0
	}
	return bw.MillisOf(b.started) + window
}

// holdKnown holds a room and makes sure that its head is known.
func (b *Broker) holdKnown(ctx context.Context, id bw.RoomID) (*room, error) {
	b.mu.Lock()
	r := b.hold(id)
	known := r.known
	b.mu.Unlock()
	if known {
		return r, nil
	}
	if err := b.load(ctx, r); err != nil {
		b.letGo(r)
		return nil, err
	}
	return r, nil
}

// letGo is release for callers that do not have b.mu.
func (b *Broker) letGo(r *room) {
	b.mu.Lock()
	b.release(r)
	b.mu.Unlock()
}
