package redisbroker

import (
	"context"
	"slices"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// Notify implements broker.Broker.
func (b *Broker) Notify(n broker.Notice) {
	if why := b.notices.put(n, noticeCost(&n)); why != accepted {
		b.metrics.dropped.WithLabelValues(string(why)).Inc()
	}
}

// tellNotices runs until the queue is closed and empty. What does not get through,
// and what waits behind it, is not tried again: it would be old news.
func (b *Broker) tellNotices() {
	for {
		items, open := b.notices.take()
		works := true
		for len(items) > 0 {
			n := min(len(items), b.cfg.BatchMessages)
			works = works && b.publish(context.Background(), items[:n]) == nil
			if !works {
				b.metrics.dropped.WithLabelValues(string(refusedLog)).Add(float64(n))
			}
			for i := range items[:n] {
				b.notices.release(noticeCost(&items[i]))
			}
			items = items[n:]
		}
		if !open {
			return
		}
		<-b.notices.wake
	}
}

// Announce implements broker.Broker: what Redis has taken is on its way.
func (b *Broker) Announce(ctx context.Context, notices []broker.Notice) error {
	for batch := range slices.Chunk(notices, b.cfg.BatchMessages) {
		if err := b.publish(ctx, batch); err != nil {
			return b.unavailable(err, "notices cannot be told now")
		}
	}
	return nil
}

// publish tells some notices.
func (b *Broker) publish(ctx context.Context, notices []broker.Notice) error {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.SendTimeout)
	defer cancel()
	pipe := b.reads.Pipeline()
	for i := range notices {
		pipe.Publish(ctx, b.keys.channel(notices[i].Room), encodeNotice(&notices[i]))
	}
	_, err := pipe.Exec(ctx)
	return err
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
