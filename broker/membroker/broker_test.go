package membroker_test

import (
	"testing"

	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/broker/brokertest"
	"github.com/breakwater-chat/breakwater/broker/membroker"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	brokertest.Run(t, func(*testing.T) brokertest.Harness {
		return harness(membroker.Config{}, newFakeLog())
	})
}

// The smallest bounds make every bound bite.
func TestConformanceWithSmallBounds(t *testing.T) {
	brokertest.Run(t, func(*testing.T) brokertest.Harness {
		return harness(membroker.Config{
			BatchMessages: 3, BatchBytes: 400, TailMessages: 4, TailBytes: 1000, AllTailsBytes: 1500,
			IdleRooms: 1, RecentBytes: 128,
		}, newFakeLog())
	})
}

// harness is one broker over a log.
func harness(cfg membroker.Config, log membroker.Log) brokertest.Harness {
	return brokertest.Harness{Brokers: []broker.Broker{membroker.New(cfg, log)}, ReadLog: log.ReadAfter}
}
