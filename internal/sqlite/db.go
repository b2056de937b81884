// Package sqlite opens an SQLite database the way the embedded deployment needs
// it: a pool of connections that only read, and one that writes, used by one
// goroutine which commits for many callers at once.
//
// What the writer has committed is on disk (WAL, synchronous=FULL) before its
// callers are answered, and seen by every read that begins afterwards.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says how to open a database. Zero fields take the defaults.
type Config struct {
	// Path is the database's file; its folder must exist.
	Path string
	// Name labels the database's metrics.
	Name string
	// Migrate brings the schema up to date before anything else; it gets a
	// pool of one connection. Nil leaves the schema as it is.
	Migrate func(context.Context, *sql.DB) error
	// Readers bounds the connections that read at once; default 4.
	Readers int
	// ReaderCache and WriterCache bound each connection's page cache, in KiB;
	// default 2,048 and 8,192.
	ReaderCache, WriterCache int
	// Queue bounds how many functions wait for the writer; default 1,024.
	Queue int
	// Registerer takes the metrics; nil keeps none.
	Registerer prometheus.Registerer
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		field *int
		value int
	}{{&c.Readers, 4}, {&c.ReaderCache, 2048}, {&c.WriterCache, 8192}, {&c.Queue, 1024}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return c
}

// DB is an open database.
type DB struct {
	// Writer makes every change.
	*Writer

	reads *sql.DB

	mu    sync.Mutex           // guards stmts
	stmts map[string]*sql.Stmt // grows to the number of texts in the program, see Query
}

// openPatience is how long Open waits for another process that is opening or
// migrating the same database. SQLite's own wait does not cover the switch to WAL.
const openPatience = 10 * time.Second

// Open opens the database, makes it if there is none, and migrates it.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	cfg = cfg.withDefaults()
	if err := prepare(ctx, cfg); err != nil {
		return nil, fmt.Errorf("open database %s: %w", cfg.Path, err)
	}
	w, err := openWriter(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open database %s to write: %w", cfg.Path, err)
	}
	reads, err := sql.Open(driver, source(cfg.Path, cfg.ReaderCache, "query_only(1)"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s to read: %w", cfg.Path, err), w.Close())
	}
	reads.SetMaxOpenConns(cfg.Readers)
	reads.SetMaxIdleConns(cfg.Readers)
	return &DB{Writer: w, reads: reads, stmts: make(map[string]*sql.Stmt)}, nil
}

// prepare puts the database into WAL mode and migrates it.
func prepare(ctx context.Context, cfg Config) error {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	for {
		err := tryPrepare(ctx, cfg)
		if !isBusy(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("another process holds the database: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func tryPrepare(ctx context.Context, cfg Config) (err error) {
	db, err := sql.Open(driver, source(cfg.Path, cfg.WriterCache))
	if err != nil {
		return fmt.Errorf("read its address: %w", err)
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return fmt.Errorf("switch it to WAL: %w", err)
	}
	if cfg.Migrate == nil {
		return nil
	}
	return cfg.Migrate(ctx, db)
}

// Query reads rows on one of the reading connections. The statement is kept
// prepared for ever, so query must be a text of the program, never built from data.
func (d *DB) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := d.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// QueryRow reads one row, as Query does; Scan returns sql.ErrNoRows without one.
func (d *DB) QueryRow(ctx context.Context, query string, args ...any) Row {
	stmt, err := d.stmt(ctx, query)
	if err != nil {
		return Row{err: err}
	}
	return Row{row: stmt.QueryRowContext(ctx, args...)}
}

func (d *DB) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	d.mu.Lock()
	stmt := d.stmts[query]
	d.mu.Unlock()
	if stmt != nil {
		return stmt, nil
	}
	// Preparing reads the file, so it is done outside the lock; of two at once
	// one is kept.
	stmt, err := d.reads.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %.40q: %w", query, err)
	}
	d.mu.Lock()
	kept := d.stmts[query]
	if kept == nil {
		d.stmts[query] = stmt
	}
	d.mu.Unlock()
	if kept != nil {
		return kept, stmt.Close()
	}
	return stmt, nil
}

// Healthy tells whether the database reads and its writer takes turns.
func (d *DB) Healthy(ctx context.Context) error {
	var one int
	if err := d.QueryRow(ctx, "SELECT 1 FROM sqlite_schema LIMIT 1").Scan(&one); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read: %w", err)
	}
	if err := d.Do(ctx, func(*Tx) error { return nil }); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// Close answers every function that the writer accepted, then closes all
// connections. Reads that still run are waited for.
func (d *DB) Close() error {
	return errors.Join(d.Writer.Close(), d.reads.Close())
}

// Row is one row, or why there is none.
type Row struct {
	row *sql.Row
	err error
}

// Scan copies the row's columns.
func (r Row) Scan(into ...any) error {
	if r.err != nil {
		return r.err
	}
	return r.row.Scan(into...)
}
