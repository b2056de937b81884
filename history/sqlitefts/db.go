// Package sqlitefts is the durable message log of the embedded deployment, and
// playback and search over it, in one SQLite database.
//
// A message is in the log when Commit returns. It enters the search index a
// moment later, in batches; a search first enters what is missing, so that it
// finds every message that was committed before it began.
package sqlitefts

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/internal/sqlite"
	"github.com/breakwater-chat/breakwater/migrations"
)

// Config says where the log is. Zero fields take the defaults.
type Config struct {
	// Path is the database's file; its folder must exist.
	Path string
	// IndexDelay is how long messages wait for others before they enter the
	// search index together; default 250 ms. A search does not wait for it.
	IndexDelay time.Duration
	// Registerer takes the database's metrics; nil keeps none.
	Registerer prometheus.Registerer
	// Log takes what goes wrong in the background; nil drops it.
	Log *slog.Logger
}

// DB is an open message log. It implements history.History and the broker's
// log: Head, Commit, FindSend and ReadAfter.
type DB struct {
	db       *sqlite.DB
	indexer  *indexer
	searches chan struct{} // holds a token for each search that runs
}

var _ history.History = (*DB)(nil)

// Open opens the log, makes it if there is none, migrates its schema and begins
// to index what a crash left out.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.IndexDelay == 0 {
		cfg.IndexDelay = 250 * time.Millisecond
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	db, err := sqlite.Open(ctx, sqlite.Config{
		Path: cfg.Path, Name: "messages", Registerer: cfg.Registerer,
		Migrate: func(ctx context.Context, db *sql.DB) error {
			return migrations.UpSQLite(ctx, db, migrations.SQLiteMessages)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open the message log: %w", err)
	}
	return &DB{db: db, indexer: startIndexer(db, cfg), searches: make(chan struct{}, maxSearches)}, nil
}

// Healthy tells whether the log can be read and written now.
func (d *DB) Healthy(ctx context.Context) error {
	return unavailable(d.db.Healthy(ctx), "ask the message log")
}

// Close finishes the commits that were begun, stops indexing and closes the
// database. What is not indexed yet will be after the next Open.
func (d *DB) Close() error {
	d.indexer.close()
	if err := d.db.Close(); err != nil {
		return fmt.Errorf("close the message log: %w", err)
	}
	return nil
}

// unavailable marks a failure of the database.
func unavailable(err error, doing string) error {
	if err == nil {
		return nil
	}
	return bw.Unavailablef(fmt.Errorf("%s: %w", doing, err), "the message log does not answer")
}
