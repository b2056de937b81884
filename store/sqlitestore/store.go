// Package sqlitestore is the store of the embedded deployment: users, rooms,
// memberships and leases in one SQLite database.
//
// All changes go through one writer, so what a change means is computed from
// what was read in the same transaction, without locks of rows.
package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/sqlite"
	"github.com/breakwater-chat/breakwater/migrations"
	"github.com/breakwater-chat/breakwater/store"
)

// Config says where the store is.
type Config struct {
	// Path is the database's file; its folder must exist.
	Path string
	// Registerer takes the database's metrics; nil keeps none.
	Registerer prometheus.Registerer
}

// Store implements store.Store. What its methods have written is on disk when
// they return.
type Store struct {
	db *sqlite.DB
}

var _ store.Store = (*Store)(nil)

// Open opens the store, makes it if there is none, and migrates its schema.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	db, err := sqlite.Open(ctx, sqlite.Config{
		Path: cfg.Path, Name: "store", Registerer: cfg.Registerer,
		Migrate: func(ctx context.Context, db *sql.DB) error {
			return migrations.UpSQLite(ctx, db, migrations.SQLiteStore)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return &Store{db: db}, nil
}

// Healthy tells whether the store can be read and written now.
func (s *Store) Healthy(ctx context.Context) error {
	if err := s.db.Healthy(ctx); err != nil {
		return bw.Unavailablef(err, "the store does not answer")
	}
	return nil
}

// Close finishes the writes that were begun and closes the database.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return nil
}

// now is the store's clock in SQL: milliseconds since the Unix epoch.
const now = "CAST(round(unixepoch('subsec') * 1000) AS INTEGER)"

// unavailable marks a failure of the database; what the contract names stays as it is.
func unavailable(err error, doing string) error {
	if err == nil || errors.Is(err, store.ErrFenced) {
		return err
	}
	if e, ok := errors.AsType[*bw.Error](err); ok {
		return e
	}
	return bw.Unavailablef(fmt.Errorf("%s: %w", doing, err), "the store does not answer")
}
