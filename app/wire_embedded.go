package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/breakwater-chat/breakwater/broker/membroker"
	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/cache/memcache"
	"github.com/breakwater-chat/breakwater/history/sqlitefts"
	"github.com/breakwater-chat/breakwater/server"
	"github.com/breakwater-chat/breakwater/store/sqlitestore"
)

// Files of the data folder.
const (
	storeFile    = "store.db"
	messagesFile = "messages.db"
	tokenKeyFile = "token.key"
	lockFile     = "lock"
)

// Bounds of the process's caches: of pages of messages, and of everything else. They
// are apart, so that who reads old messages does not make users and rooms forgotten.
const (
	cacheBytes = 32 << 20
	pageBytes  = 32 << 20
)

// databases are the embedded databases, open.
type databases struct {
	store    *sqlitestore.Store
	messages *sqlitefts.DB
}

// databaseDeps are what the databases report to; zero is nobody.
type databaseDeps struct {
	registry prometheus.Registerer
	log      *slog.Logger
}

// openDatabases opens, makes and migrates what is in the data folder.
func openDatabases(ctx context.Context, data string, deps databaseDeps) (databases, error) {
	if err := os.MkdirAll(data, 0o750); err != nil {
		return databases{}, &usageError{"--data", err}
	}
	store, err := sqlitestore.Open(ctx, sqlitestore.Config{Path: filepath.Join(data, storeFile), Registerer: deps.registry})
	if err != nil {
		return databases{}, fmt.Errorf("opening the store: %w", err)
	}
	messages, err := sqlitefts.Open(ctx, sqlitefts.Config{Path: filepath.Join(data, messagesFile), Registerer: deps.registry, Log: deps.log})
	if err != nil {
		return databases{}, errors.Join(fmt.Errorf("opening the message log: %w", err), store.Close())
	}
	return databases{store: store, messages: messages}, nil
}

func (d databases) close() error { return errors.Join(d.messages.Close(), d.store.Close()) }

// wireEmbedded makes the parts of a server that needs nothing but its data folder.
func wireEmbedded(ctx context.Context, f serveFlags, registry prometheus.Registerer, log *slog.Logger) (parts, error) {
	unlock, err := lockFolder(f.Data)
	if err != nil {
		return parts{}, &usageError{"--data", err}
	}
	dbs, err := openDatabases(ctx, f.Data, databaseDeps{registry, log})
	if err != nil {
		return parts{}, errors.Join(err, unlock())
	}
	b := membroker.New(membroker.Config{Registerer: registry, Logger: log}, dbs.messages)
	c, pages := memcache.New(memcache.Config{MaxBytes: cacheBytes}), memcache.New(memcache.Config{MaxBytes: pageBytes})
	return parts{
		store: dbs.store, history: dbs.messages, broker: b, caches: []cache.Cache{c}, pages: []cache.Cache{pages},
		needed: []server.Dependency{
			{Name: "store", Healthy: dbs.store.Healthy},
			{Name: "message log", Healthy: dbs.messages.Healthy},
			{Name: "broker", Healthy: b.Healthy},
		},
		close: func() error { return errors.Join(b.Close(), pages.Close(), c.Close(), dbs.close(), unlock()) },
	}, nil
}
