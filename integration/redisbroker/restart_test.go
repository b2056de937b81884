package redisbroker_test

import (
	"context"
	"fmt"
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
		for i, b := range tr.brokers {
			eventually(t, fmt.Sprintf("bad health of broker %d", i), func() bool { return b.Healthy(t.Context()) != nil })
			// When it is known that there is nothing to wait for, nobody waits as long
			// as a send may take.
			eventually(t, fmt.Sprintf("a send to broker %d that is refused at once", i), func() bool {
				start := time.Now()
				a := <-b.begin(tr.room, "at once")
				return bw.KindOf(a.err) == bw.Unavailable && time.Since(start) < 400*time.Millisecond
			})
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
			if took := time.Since(start); took > patience {
				t.Errorf("open: took %v, want some seconds at most", took)
			}
		})
	}
}
