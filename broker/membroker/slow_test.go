package membroker_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/broker/brokertest"
	"github.com/breakwater-chat/breakwater/broker/membroker"
)

// The suite is for brokers with a network in between, too: it must pass when
// every subscriber is behind the log by a time of its own, and when what looks
// like several servers is closed one by one.
func TestConformanceWithSlowDelivery(t *testing.T) {
	brokertest.Run(t, func(t *testing.T) brokertest.Harness {
		h := harness(membroker.Config{}, newFakeLog())
		below := h.Brokers[0]
		t.Cleanup(func() {
			if err := below.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		h.Brokers = []broker.Broker{&slowBroker{Broker: below}, &slowBroker{Broker: below}}
		return h
	})
}

// slowBroker is one of several before the same broker: it delivers with delays
// and is closed on its own.
type slowBroker struct {
	broker.Broker
	sending sync.WaitGroup

	mu     sync.Mutex // guards the rest
	closed bool
	subs   []*slowSubscription
}

var errClosed = bw.Errorf(bw.Unavailable, "this broker is closed")

// slowSubscription passes calls on from a goroutine of its own.
type slowSubscription struct {
	broker.Subscription
	receiver broker.Receiver
	calls    chan func()
	quit     chan struct{}
	end      sync.Once
	running  sync.WaitGroup
}

func (b *slowBroker) Send(s broker.Send, done func(broker.Ack, error)) {
	b.mu.Lock()
	closed := b.closed
	if !closed {
		b.sending.Add(1)
	}
	b.mu.Unlock()
	if closed {
		done(broker.Ack{}, errClosed)
		return
	}
	b.Broker.Send(s, func(a broker.Ack, err error) {
		defer b.sending.Done()
		done(a, err)
	})
}

func (b *slowBroker) Announce(ctx context.Context, notices []broker.Notice) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	return b.Broker.Announce(ctx, notices)
}

func (b *slowBroker) Subscribe(ctx context.Context, room bw.RoomID, r broker.Receiver) (broker.Subscription, bw.Position, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, bw.Position{}, errClosed
	}
	s := &slowSubscription{receiver: r, calls: make(chan func(), 1<<16), quit: make(chan struct{})}
	below, pos, err := b.Broker.Subscribe(ctx, room, s)
	if err != nil {
		return nil, pos, err
	}
	s.Subscription = below
	s.running.Go(s.run)
	b.subs = append(b.subs, s)
	return s, pos, nil
}

func (b *slowBroker) Healthy(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	return b.Broker.Healthy(ctx)
}

// Close leaves the broker below to the others.
func (b *slowBroker) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.sending.Wait()
	for _, s := range b.subs {
		s.Close()
	}
	return nil
}

func (s *slowSubscription) run() {
	for {
		select {
		case <-s.quit:
			return
		case call := <-s.calls:
			<-time.After(rand.N(2 * time.Millisecond))
			call()
		}
	}
}

func (s *slowSubscription) Close() {
	s.end.Do(func() {
		s.Subscription.Close()
		close(s.quit)
		s.running.Wait()
	})
}

func (s *slowSubscription) Deliver(batch []bw.Message) {
	kept := slices.Clone(batch)
	s.calls <- func() { s.receiver.Deliver(kept) }
}

func (s *slowSubscription) Gap(epoch bw.Epoch, from, to bw.Seq) {
	s.calls <- func() { s.receiver.Gap(epoch, from, to) }
}

func (s *slowSubscription) Notify(n broker.Notice) {
	s.calls <- func() { s.receiver.Notify(n) }
}
