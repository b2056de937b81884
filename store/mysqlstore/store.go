// Package mysqlstore is the store of a cluster: users, rooms, memberships and
// leases in MySQL (8.0.17 or newer), for many servers at once.
//
// A room's memberships change under a lock of the room's row in room_counts.
// Whoever changes several rooms locks them in the order of their ids, before he
// reads what he changes, so that what a change means is decided once and nobody
// waits for each other in a circle. Time is the database's alone.
//
// A host that stops in the middle of a transaction, frozen or cut off, holds its
// locks until MySQL gives up on it, which is soon. Who removes a dead server's
// orphans locks that server's row; others pass it by, and do not wait.
//
// A transaction that MySQL has rolled back, because of a deadlock or a lock that
// took too long, is done again. One whose commit was not answered is not: it may
// be done. Its caller is told Unavailable, and may repeat what changes nothing
// when repeated: a batch of memberships under its number, anything of leases. Who
// is refused a name as taken, after a CreateUser or CreateRoom that was Unavailable,
// may have been its maker.
package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/migrations"
	"github.com/breakwater-chat/breakwater/store"
)

// Config says where the store is.
type Config struct {
	// DSN is user:password@tcp(host:port)/database. Settings of the session that
	// the store relies on are its own, whatever the DSN says.
	DSN string
	// Registerer takes the metrics of the pool of connections; nil keeps none.
	Registerer prometheus.Registerer
	// Logger is told of the driver's troubles; nil is nobody.
	Logger *slog.Logger
}

// callTimeout bounds every call; a caller's own deadline may be sooner.
const callTimeout = 5 * time.Second

// Store implements store.Store. What its methods have written is durable, as far
// as MySQL's settings make it so, when they return.
type Store struct {
	db      *sql.DB
	metrics *metrics
}

var _ store.Store = (*Store)(nil)

// Open opens the store. It fails with migrations.ErrOlderSchema or
// ErrNewerSchema if the database's schema is not this program's.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	db, err := connect(cfg, callTimeout)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := checkSchema(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	m, err := newMetrics(cfg.Registerer, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Store{db: db, metrics: m}, nil
}

// Migrate brings the database to this program's schema. Many hosts may do it at once.
func Migrate(ctx context.Context, cfg Config) error {
	db, err := connect(cfg, 0) // a step may have a large table to change
	if err != nil {
		return err
	}
	return errors.Join(migrations.UpMySQL(ctx, db), db.Close())
}

// Status returns which step of the schema the database has, and the newest
// known. It changes nothing.
func Status(ctx context.Context, cfg Config) (has, newest int64, err error) {
	db, err := connect(cfg, callTimeout)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return migrations.StatusMySQL(ctx, db)
}

func checkSchema(ctx context.Context, db *sql.DB) error {
	has, newest, err := migrations.StatusMySQL(ctx, db)
	switch {
	case err != nil:
		return fmt.Errorf("look at the schema of MySQL: %w", err)
	case has < newest:
		return fmt.Errorf("%w: MySQL is at step %d, step %d is needed", migrations.ErrOlderSchema, has, newest)
	case has > newest:
		return fmt.Errorf("%w: MySQL is at step %d, the newest known is %d", migrations.ErrNewerSchema, has, newest)
	}
	return nil
}

// Healthy tells whether the database answers now.
func (s *Store) Healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := s.db.PingContext(ctx); err != nil {
		return bw.Unavailablef(err, "the store does not answer")
	}
	return nil
}

// Close closes the connections.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return nil
}

// now is the store's clock in SQL: milliseconds since the Unix epoch.
const now = "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"

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
