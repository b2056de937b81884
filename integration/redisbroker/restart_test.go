package redisbroker_test

import (
	"context"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker/redisbroker"
)

// Redis dies in mid-traffic, twice: what was acked is there, in one order,
// without a hole, and nobody is told of a gap.
func TestRedisIsKilledUnderSends(t *testing.T) {
	tr := startTraffic(t, openThree(t, redisbroker.Config{}))
	for range 2 {
		tr.more(300)
		if err := server.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Time enough for sends to be refused.
		<-time.After(1200 * time.Millisecond)
		for i, b := range tr.brokers {
			if b.Healthy(t.Context()) == nil {
				t.Errorf("health of broker %d without Redis: got none, want a reason", i)
			}
			// By now it is known that there is nothing to wait for.
			start := time.Now()
			a := <-b.begin(tr.room, "at once")
			if took := time.Since(start); bw.KindOf(a.err) != bw.Unavailable || took > slack {
				t.Errorf("send to broker %d without Redis: got %+v after %v, want %s at once", i, a, took, bw.Unavailable)
			}
		}
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tr.more(300)
	tr.endWithoutGaps()
	for _, b := range tr.brokers {
		eventually(t, "health", func() bool { return b.Healthy(context.Background()) == nil })
	}
}

func TestOpenWithoutRedis(t *testing.T) {
	for _, test := range []struct{ name, url string }{
		{"refused", "redis://127.0.0.1:1/0"},
		{"no address", "127.0.0.1:6379"},
		{"none", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			start := time.Now()
			b, err := redisbroker.Open(t.Context(), redisbroker.Config{URL: test.url})
			if err == nil {
				b.Close()
				t.Fatal("open: got a broker, want an error")
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("open: took %v, want at most 5 s", took)
			}
		})
	}
}
