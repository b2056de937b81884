// Package rediscache holds the cache on Redis to its contract and to what it
// promises when its Redis is frozen, killed and emptied.
package rediscache_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/breakwater-chat/breakwater/cache/rediscache"
	"github.com/breakwater-chat/breakwater/integration/services"

	"github.com/breakwater-chat/breakwater/integration/harness"
)

// patience is how long anything may take that must happen.
const patience = time.Minute

// server is the Redis of all tests; those that hurt it wait until it is well.
var server *services.Service

// raw looks at Redis past the caches.
var raw *redis.Client

func TestMain(m *testing.M) {
	os.Exit(harness.Main(func(string) (int, error) { return run(m) }))
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

// view is one server's view of the cache, with its metrics.
type view struct {
	*rediscache.Cache
	metrics *prometheus.Registry
}

// open opens a view that is as patient as the tests.
func open(t testing.TB, cfg rediscache.Config) view {
	t.Helper()
	cfg.Timeout = patience
	return openAsServers(t, cfg)
}

// openAsServers opens one that waits as long as a server's does.
func openAsServers(t testing.TB, cfg rediscache.Config) view {
	t.Helper()
	v := view{metrics: prometheus.NewRegistry()}
	cfg.URL, cfg.Registerer, cfg.Log = server.URL, v.metrics, slog.New(slog.NewTextHandler(t.Output(), nil))
	c, err := rediscache.Open(cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	v.Cache = c
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return v
}

// counted is the value of a counter, summed over its labels.
func (v view) counted(t *testing.T, name string) (sum float64) {
	t.Helper()
	families, err := v.metrics.Gather()
	if err != nil {
		t.Fatalf("gather metrics: %v", err)
	}
	for _, family := range families {
		if family.GetName() == "breakwater_cache_"+name+"_total" {
			for _, m := range family.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
			return sum
		}
	}
	t.Fatalf("no counter %q", name)
	return 0
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func must(t *testing.T, doing string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
}
