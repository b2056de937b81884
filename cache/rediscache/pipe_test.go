package rediscache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openSilent opens a cache on something that takes connections and says nothing.
func openSilent(t *testing.T, timeout time.Duration) *Cache {
	t.Helper()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(Config{URL: fmt.Sprintf("redis://%s/0", silent.Addr()), Timeout: timeout})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.Close(), silent.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// What waits for a Redis that takes nothing is bounded in bytes; what is beyond
// fails at once and says nothing about Redis.
func TestTheQueueIsBounded(t *testing.T) {
	c, value := openSilent(t, time.Second), make([]byte, queueBytes*2/3)
	var full, waited atomic.Int64
	var all sync.WaitGroup
	for range 2*pipeConnections + 4 {
		all.Go(func() {
			switch err := c.Set(t.Context(), "key", value, time.Minute); {
			case errors.Is(err, errFull):
				full.Add(1)
			case err != nil:
				waited.Add(1)
			default:
				t.Error("set: got no error")
			}
		})
	}
	all.Wait()
	// One a connection is on its way, and one may wait.
	if got := waited.Load(); got < 1 || got > 2*pipeConnections+1 {
		t.Errorf("got %d sets that waited and %d refused, want few that waited", got, full.Load())
	}
}

func TestACallerWhoGivesUpWaitsNoLonger(t *testing.T) {
	c := openSilent(t, time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() { _, _, err := c.Get(ctx, "key"); failed <- err }()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestAClosedCacheAnswersNobody(t *testing.T) {
	c := openSilent(t, time.Second)
	if err := c.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if _, _, err := c.Get(t.Context(), "key"); !errors.Is(err, errClosed) {
		t.Errorf("got %v, want %v", err, errClosed)
	}
}
