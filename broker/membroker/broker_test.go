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
	brokertest.Run(t, func(*testing.T) broker.Broker {
		return membroker.New(membroker.Config{}, newFakeLog())
	})
}

// One broker that is asked twice must pass as two.
func TestConformanceAsCluster(t *testing.T) {
	brokertest.RunCluster(t, func(*testing.T) []broker.Broker {
		b := membroker.New(membroker.Config{}, newFakeLog())
		return []broker.Broker{b, b}
	})
}

// The smallest bounds make every bound bite.
func TestConformanceWithSmallBounds(t *testing.T) {
	brokertest.Run(t, func(*testing.T) broker.Broker {
		return membroker.New(membroker.Config{
			BatchMessages: 3, BatchBytes: 400, TailMessages: 4, TailBytes: 1000, AllTailsBytes: 1500,
			IdleRooms: 1, RecentBytes: 128,
		}, newFakeLog())
	})
}
