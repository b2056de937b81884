// Package redisbroker holds the broker on Redis to its contract and to what it
// promises beyond it, on a real Redis that is killed, frozen, flushed, rolled
// back and cut off.
package redisbroker_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/breakwater-chat/breakwater/integration/services"
)

// patience is how long anything may take that must happen.
const patience = time.Minute

// server is the Redis of all tests; those that hurt it wait until it is well.
var server *services.Service

// raw reads and writes the log past the brokers.
var raw *redis.Client

func TestMain(m *testing.M) {
	status, err := run(m)
	if err == nil && status == 0 {
		// A proxy that has swallowed something leaves goroutines of its own behind.
		err = goleak.Find(
			goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
			goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
		)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func run(m *testing.M) (status int, err error) {
	if server, err = services.StartRedis(context.Background()); err != nil {
		return 1, err
	}
	defer server.Close()
	options, err := redis.ParseURL(server.URL)
	if err != nil {
		return 1, fmt.Errorf("the address of Redis: %w", err)
	}
	raw = redis.NewClient(options)
	defer raw.Close()
	return m.Run(), nil
}
