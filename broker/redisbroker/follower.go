package redisbroker

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// listen keeps a subscription until the broker stops: whenever one ends, another
// one begins, and every room that it brings is compared with the log.
func (b *Broker) listen() {
	const pause = 100 * time.Millisecond
	for {
		began, before := time.Now(), b.heard.Load()
		err := b.receive()
		if b.ctx.Err() != nil {
			return
		}
		// One line an outage, not one an attempt.
		if b.heard.Load() != before {
			b.cfg.Logger.Warn("messages do not arrive: the subscription is begun anew", "error", err)
		}
		select {
		case <-b.ctx.Done():
		case <-time.After(pause - time.Since(began)):
		}
	}
}

// receive follows all rooms by one connection and passes on what comes, until
// the connection fails. Something comes with every probe: silence is a failure.
func (b *Broker) receive() error {
	pubsub := b.listens.Subscribe(b.ctx)
	defer pubsub.Close()
	defer context.AfterFunc(b.ctx, func() { _ = pubsub.Close() })()
	defer b.closeWhenSilent(pubsub)()
	if err := pubsub.Subscribe(b.ctx, b.keys.probe); err != nil {
		return err
	}
	b.mu.Lock()
	b.pubsub = pubsub
	for _, r := range b.rooms {
		b.unfollowed[r] = struct{}{}
		r.confirmed = false
	}
	b.mu.Unlock()
	signal(b.followed)
	for first := true; ; first = false {
		message, err := pubsub.Receive(b.ctx)
		if err != nil {
			return err
		}
		if first {
			b.metrics.subscriptions.Inc()
		}
		b.heard.Store(int64(time.Since(b.began)))
		switch m := message.(type) {
		case *redis.Subscription:
			if m.Kind == "subscribe" {
				b.confirm(m.Channel)
			}
		case *redis.Message:
			if r := b.followedAs(m.Channel); r != nil {
				r.put(m.Payload)
			}
		}
	}
}

// silentProbes is behind how many probes without anything a subscription has failed.
const silentProbes = 3

// silence is how long nothing may come.
func (b *Broker) silence() time.Duration { return silentProbes * b.cfg.ProbeEvery }

// closeWhenSilent closes a subscription by which nothing comes, until stop is called.
// Looks are counted, not time: what came while the process was stopped is still to be
// read, and the notices in it come by no other way.
func (b *Broker) closeWhenSilent(pubsub *redis.PubSub) (stop func()) {
	ctx, cancel := context.WithCancel(b.ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(b.cfg.ProbeEvery)
		defer tick.Stop()
		heard := b.heard.Load()
		for silent := 0; silent < silentProbes; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			silent++
			if now := b.heard.Load(); now != heard {
				heard, silent = now, 0
			}
		}
		_ = pubsub.Close() // which ends the wait for more
	})
	return func() { cancel(); watching.Wait() }
}

// confirm notes that a room's messages come from now on. What came before may
// have been missed.
func (b *Broker) confirm(channel string) {
	r := b.followedAs(channel)
	if r == nil {
		return
	}
	b.mu.Lock()
	r.confirmed = true
	b.mu.Unlock()
	b.doubt(r, causeReconnect)
}

func (b *Broker) followedAs(channel string) *room {
	if channel == b.keys.probe {
		return nil
	}
	id, ok := roomOf(channel)
	if !ok {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rooms[id]
}

// follow tells the subscription which rooms it is to bring, and which not any more.
func (b *Broker) follow() {
	const some = 500 // channels in one command
	tick := time.NewTicker(max(b.cfg.Linger/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-b.followed:
		case <-tick.C:
		}
		pubsub, wanted, unwanted := b.changes()
		if pubsub == nil {
			continue
		}
		// In this order: a room that came back is another one.
		b.inParts(unwanted, some, pubsub, pubsub.Unsubscribe)
		b.inParts(wanted, some, pubsub, pubsub.Subscribe)
	}
}

// inParts does a change. If it fails the subscription ends, and with the next one
// all rooms are followed anew.
func (b *Broker) inParts(channels []string, some int, pubsub *redis.PubSub, change func(context.Context, ...string) error) {
	for len(channels) > 0 {
		n := min(some, len(channels))
		if err := change(b.ctx, channels[:n]...); err != nil {
			_ = pubsub.Close()
			return
		}
		channels = channels[n:]
	}
}

// changes takes what the subscription has to be told. A room whose confirmation
// is on its way stays: it could be taken for that of a later life of the room.
func (b *Broker) changes() (pubsub *redis.PubSub, wanted, unwanted []string) {
	var gone []*room
	b.mu.Lock()
	pubsub = b.pubsub
	if pubsub != nil {
		for r := range b.unfollowed {
			wanted = append(wanted, b.keys.channel(r.id))
		}
		clear(b.unfollowed)
	}
	for r, since := range b.idle {
		if r.confirmed && time.Since(since) >= b.cfg.Linger {
			unwanted = append(unwanted, b.keys.channel(r.id))
			gone = append(gone, r)
			delete(b.rooms, r.id)
			delete(b.idle, r)
			delete(b.doubts, r)
		}
	}
	b.mu.Unlock()
	for _, r := range gone {
		r.forget()
	}
	return pubsub, wanted, unwanted
}

// probe lets something come by the subscription now and then.
func (b *Broker) probe() {
	tick := time.NewTicker(b.cfg.ProbeEvery)
	defer tick.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(b.ctx, b.cfg.ProbeEvery)
		// If it fails nothing comes, and that is what counts.
		_ = b.reads.Publish(ctx, b.keys.probe, "").Err()
		cancel()
	}
}
