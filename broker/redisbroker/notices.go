package redisbroker

import (
	"context"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// Notify implements broker.Broker.
func (b *Broker) Notify(n broker.Notice) {
	if why := b.notices.put(n, noticeCost(&n)); why != accepted {
		b.metrics.dropped.WithLabelValues(string(why)).Inc()
	}
}

// tellNotices runs until the queue is closed and empty.
func (b *Broker) tellNotices() {
	for {
		items, open := b.notices.take()
		for len(items) > 0 {
			n := min(len(items), b.cfg.BatchMessages)
			b.publish(items[:n])
			items = items[n:]
		}
		if !open {
			return
		}
		<-b.notices.wake
	}
}

// publish tells some notices. What does not get through is not repeated: it
// would be old news.
func (b *Broker) publish(notices []broker.Notice) {
	ctx, cancel := context.WithTimeout(context.Background(), b.cfg.SendTimeout)
	defer cancel()
	pipe := b.reads.Pipeline()
	for i := range notices {
		b.notices.release(noticeCost(&notices[i]))
		payload, err := encodeNotice(&notices[i])
		if err != nil {
			b.metrics.dropped.WithLabelValues(string(refusedLog)).Inc()
			continue
		}
		pipe.Publish(ctx, b.keys.channel(notices[i].Room), payload)
	}
	n := pipe.Len()
	if _, err := pipe.Exec(ctx); err != nil {
		b.metrics.dropped.WithLabelValues(string(refusedLog)).Add(float64(n))
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
