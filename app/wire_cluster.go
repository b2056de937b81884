package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker/redisbroker"
	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/cache/memcache"
	"github.com/breakwater-chat/breakwater/cache/rediscache"
	"github.com/breakwater-chat/breakwater/history/elastic"
	"github.com/breakwater-chat/breakwater/history/indexer"
	"github.com/breakwater-chat/breakwater/migrations"
	"github.com/breakwater-chat/breakwater/server"
	"github.com/breakwater-chat/breakwater/store/mysqlstore"
)

// wireCluster makes the parts of one of many equal servers.
func wireCluster(ctx context.Context, f serveFlags, id bw.ServerID, registry prometheus.Registerer, log *slog.Logger) (_ parts, err error) {
	var undo undoList
	defer func() {
		if err != nil {
			err = errors.Join(err, undo.close())
		}
	}()
	if f.Migrate {
		if err := migrateCluster(ctx, f.deploymentFlags); err != nil {
			return parts{}, err
		}
	}
	store, err := mysqlstore.Open(ctx, mysqlstore.Config{DSN: f.MySQL, Registerer: registry, Logger: log})
	if err != nil {
		return parts{}, advised("--mysql", err)
	}
	undo = append(undo, store.Close)
	messages, err := elastic.Open(ctx, elastic.Config{URLs: f.Elasticsearch, Registerer: registry, Logger: log})
	if err != nil {
		return parts{}, advised("--elasticsearch", err)
	}
	undo = append(undo, messages.Close)
	b, err := redisbroker.Open(ctx, redisbroker.Config{
		URL: f.Redis, Consumer: string(id), Newest: messages.Newest, Registerer: registry, Logger: log,
	})
	if err != nil {
		return parts{}, advised("--redis", err)
	}
	undo = append(undo, b.Close)
	shared, err := rediscache.Open(rediscache.Config{URL: f.Redis, Registerer: registry, Log: log})
	if err != nil {
		return parts{}, advised("--redis", err)
	}
	near, nearPages := memcache.New(memcache.Config{MaxBytes: cacheBytes}), memcache.New(memcache.Config{MaxBytes: pageBytes})
	undo = append(undo, shared.Close, near.Close, nearPages.Close)
	carrier := indexer.New(indexer.Config{Feed: b, Index: messages, Registerer: registry, Logger: log})
	undo = append(undo, carrier.Close)
	return parts{
		store: store, history: messages, broker: b,
		caches: []cache.Cache{near, shared}, pages: []cache.Cache{nearPages, shared},
		// Without MySQL or Elasticsearch a server does what does not need them: to
		// turn people away for it would make their fault everybody's.
		needed: []server.Dependency{{Name: "redis", Healthy: b.Healthy}},
		close:  undo.close,
	}, nil
}

// advised names the flag of a service that could not be used, and what to do
// about a schema that is not this version's.
func advised(flag string, err error) error {
	if errors.Is(err, migrations.ErrOlderSchema) {
		err = fmt.Errorf("%w; run `breakwater migrate up`, or serve with --migrate", err)
	}
	return &usageError{flag, err}
}

// migrateCluster brings the services to this version's schema. Many hosts may do
// it at once.
func migrateCluster(ctx context.Context, f deploymentFlags) error {
	if err := mysqlstore.Migrate(ctx, mysqlstore.Config{DSN: f.MySQL}); err != nil {
		return &usageError{"--mysql", err}
	}
	if err := elastic.Migrate(ctx, elastic.Config{URLs: f.Elasticsearch}); err != nil {
		return &usageError{"--elasticsearch", err}
	}
	return nil
}
