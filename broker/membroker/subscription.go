package membroker

import (
	"context"
	"slices"
	"sync"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// subscription is one receiver's place in a room.
type subscription struct {
	broker   *Broker
	room     *room
	receiver broker.Receiver
	end      sync.Once
	// closed is guarded by room.calling.
	closed bool
}

// Subscribe implements broker.Broker. It never waits for a commit or for a
// receiver: the position is the published head, and whatever is being committed
// meanwhile will be published to the new receiver too.
func (b *Broker) Subscribe(ctx context.Context, id bw.RoomID, receiver broker.Receiver) (broker.Subscription, bw.Position, error) {
	r, err := b.holdKnown(ctx, id)
	if err != nil {
		return nil, bw.Position{}, b.unavailable(err, "the room's log cannot be read now")
	}
	s := &subscription{broker: b, room: r, receiver: receiver}
	b.mu.Lock()
	defer b.mu.Unlock()
	r.subs = append(slices.Clip(r.subs), s)
	return s, r.head, nil
}

// Close implements broker.Subscription. It waits for a running call of any
// receiver of the room.
func (s *subscription) Close() {
	s.end.Do(func() {
		s.room.calling.Lock()
		s.closed = true
		s.room.calling.Unlock()

		b, r := s.broker, s.room
		b.mu.Lock()
		defer b.mu.Unlock()
		at := slices.Index(r.subs, s)
		r.subs = slices.Concat(r.subs[:at], r.subs[at+1:])
		if len(r.subs) == 0 {
			b.tails.forget(r)
		}
		b.release(r)
	})
}

// advance makes messages that are durable the newest of their room, and sets
// down who must be given them: the subscribers of this very moment. Who comes
// later is told the position behind them. Call it under b.mu; only the sequencer
// does, and it calls deliver next.
func (b *Broker) advance(r *room, fresh []bw.Message) {
	newest := &fresh[len(fresh)-1]
	r.head, r.last = newest.Position(), newest.Timestamp
	r.audience = r.subs
	if len(r.subs) > 0 {
		b.tails.append(r, fresh)
	}
}

// deliver hands the messages of the last advance to its audience.
func (r *room) deliver(fresh []bw.Message) {
	if len(r.audience) > 0 {
		r.call(r.audience, func(receiver broker.Receiver) { receiver.Deliver(fresh) })
	}
	r.audience = nil
}

// skip makes pos the newest position of a room whose messages up to there
// cannot be read. Only the sequencer calls it.
func (b *Broker) skip(r *room, pos bw.Position, last bw.Millis) {
	from := r.head.Seq + 1
	b.mu.Lock()
	r.head, r.last = pos, last
	b.tails.forget(r)
	subs := r.subs
	b.mu.Unlock()
	r.call(subs, func(receiver broker.Receiver) { receiver.Gap(pos.Epoch, from, pos.Seq) })
}

// call calls the receivers of those subscriptions that are still open.
func (r *room) call(subs []*subscription, tell func(broker.Receiver)) {
	r.calling.Lock()
	defer r.calling.Unlock()
	for _, s := range subs {
		if !s.closed {
			tell(s.receiver)
		}
	}
}
