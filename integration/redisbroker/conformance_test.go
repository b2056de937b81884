package redisbroker_test

import (
	"context"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/broker/brokertest"
	"github.com/breakwater-chat/breakwater/broker/redisbroker"
)

func TestConformance(t *testing.T) {
	brokertest.Run(t, func(t *testing.T) brokertest.Harness {
		return harness(t, redisbroker.Config{})
	})
}

// The smallest bounds make every bound bite, and everything is read again often.
func TestConformanceWithSmallBounds(t *testing.T) {
	brokertest.Run(t, func(t *testing.T) brokertest.Harness {
		return harness(t, redisbroker.Config{
			BatchMessages: 3, BatchBytes: 1000, InboxBytes: 300, AllInboxBytes: 1000,
			CheckEvery: 20 * time.Millisecond, Linger: time.Millisecond, ProbeEvery: 50 * time.Millisecond,
		})
	})
}

// harness is three brokers over one log, whose queues are small, so that the
// suite can fill them soon. They are patient: the suite sends more at once than a
// loaded machine with a slow disk stores in a second.
func harness(t *testing.T, cfg redisbroker.Config) brokertest.Harness {
	cfg.QueueBytes, cfg.SendTimeout = 1<<20, 10*time.Second
	var brokers []broker.Broker
	for range 3 {
		brokers = append(brokers, open(t, cfg).Broker)
	}
	return brokertest.Harness{Brokers: brokers, ReadLog: readLog, StallLog: func() func() { return stall(t) }}
}

// stall keeps Redis from writing anything.
func stall(t *testing.T) (resume func()) {
	if err := raw.Do(context.Background(), "CLIENT", "PAUSE", patience.Milliseconds(), "WRITE").Err(); err != nil {
		t.Fatalf("pause Redis: %v", err)
	}
	return func() {
		if err := raw.Do(context.Background(), "CLIENT", "UNPAUSE").Err(); err != nil {
			t.Errorf("let Redis go on: %v", err)
		}
	}
}
