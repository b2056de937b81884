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
// every subscriber is behind the log by a time of its own.
func TestConformanceWithSlowDelivery(t *testing.T) {
	brokertest.RunCluster(t, func(*testing.T) []broker.Broker {
		b := &slowBroker{Broker: membroker.New(membroker.Config{}, newFakeLog())}
		return []broker.Broker{b, b}
	})
}

// slowBroker delivers with delays.
type slowBroker struct {
	broker.Broker
	mu   sync.Mutex // guards subs
	subs []*slowSubscription
}

// slowSubscription passes calls on from a goroutine of its own.
type slowSubscription struct {
	broker.Subscription
	receiver broker.Receiver
	calls    chan func()
	quit     chan struct{}
	end      sync.Once
	running  sync.WaitGroup
}

func (b *slowBroker) Subscribe(ctx context.Context, room bw.RoomID, r broker.Receiver) (broker.Subscription, bw.Position, error) {
	s := &slowSubscription{receiver: r, calls: make(chan func(), 1<<16), quit: make(chan struct{})}
	below, pos, err := b.Broker.Subscribe(ctx, room, s)
	if err != nil {
		return nil, pos, err
	}
	s.Subscription = below
	s.running.Go(s.run)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs = append(b.subs, s)
	return s, pos, nil
}

func (b *slowBroker) Close() error {
	err := b.Broker.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.subs {
		s.Close()
	}
	return err
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
