package membroker_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
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

// harness is one broker over a log, with a clock to move and a gate to stall it.
// Its queue is small, so that the suite can fill it soon.
func harness(cfg membroker.Config, log membroker.Log) brokertest.Harness {
	var offset atomic.Int64
	gated := &gatedLog{Log: log}
	cfg.QueueBytes = 1 << 20
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	return brokertest.Harness{
		Brokers:  []broker.Broker{membroker.New(cfg, gated)},
		ReadLog:  log.ReadAfter,
		Clocks:   []func(time.Duration){func(by time.Duration) { offset.Add(int64(by)) }},
		StallLog: gated.stall,
	}
}

// gatedLog is a log whose commits wait while it is stalled.
type gatedLog struct {
	membroker.Log
	gate sync.RWMutex
}

func (l *gatedLog) stall() (resume func()) {
	l.gate.Lock()
	return l.gate.Unlock
}

func (l *gatedLog) Commit(ctx context.Context, batch []bw.Message) error {
	l.gate.RLock()
	defer l.gate.RUnlock()
	return l.Log.Commit(ctx, batch)
}
