package membroker

import (
	"context"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// Notify implements broker.Broker. A goroutine of its own does the fan-out, so
// notices go on while a commit takes its time.
func (b *Broker) Notify(n broker.Notice) {
	if why := b.notices.put(n, noticeCost(&n)); why != accepted {
		b.metrics.dropped.WithLabelValues(string(why)).Inc()
	}
}

// Announce implements broker.Broker: what is in the queue is told.
func (b *Broker) Announce(_ context.Context, notices []broker.Notice) error {
	for _, n := range notices {
		if why := b.notices.put(n, noticeCost(&n)); why != accepted {
			return b.unavailable(nil, "too many notices wait to be told, or the server is stopping")
		}
	}
	return nil
}

// tellNotices runs until the queue is closed and empty.
func (b *Broker) tellNotices() {
	var spare []broker.Notice
	for {
		items, open := b.notices.take(spare)
		if len(items) == 0 {
			if !open {
				return
			}
			<-b.notices.wake
			continue
		}
		for i := range items {
			b.tell(&items[i])
			b.notices.release(noticeCost(&items[i]))
		}
		spare = spareOf(items)
	}
}

func (b *Broker) tell(n *broker.Notice) {
	b.mu.Lock()
	r := b.rooms[n.Room]
	var subs []*subscription
	if r != nil {
		subs = r.subs
	}
	b.mu.Unlock()
	if len(subs) > 0 {
		r.call(subs, func(receiver broker.Receiver) { receiver.Notify(*n) })
	}
}

// noticeCost is roughly what a notice takes in memory.
func noticeCost(n *broker.Notice) int {
	const fields = 128
	return fields + len(n.Typing) + namesCost(n.Joined) + namesCost(n.Left)
}

func namesCost(names []bw.Name) int {
	const header = 16
	cost := 0
	for _, name := range names {
		cost += header + len(name)
	}
	return cost
}
