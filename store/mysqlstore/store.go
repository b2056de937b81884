// Package mysqlstore is the store of a cluster: users, rooms, memberships and
// leases in MySQL (8.0 or newer), for many servers at once.
//
// A room's memberships change under a lock of the room's row in room_counts.
// Whoever changes several rooms locks them in the order of their ids, before he
// reads what he changes, so that what a change means is decided once and nobody
// waits for each other in a circle. Time is the database's alone.
//
// A transaction that MySQL has rolled back, because of a deadlock or a lock that
// took too long, is done again. One whose commit was not answered is not: it may
// be done. Its caller is told Unavailable, and may repeat what changes nothing
// when repeated. Who is refused a name as taken, after a CreateUser or CreateRoom
// that was Unavailable, may have been its maker.
package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

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

// Bounds of the pool of connections and of waiting for MySQL.
const (
	maxOpen      = 32
	maxIdle      = 8
	maxIdleTime  = 5 * time.Minute
	maxLifetime  = 30 * time.Minute
	dialTimeout  = 2 * time.Second
	ioTimeout    = 10 * time.Second
	callTimeout  = 10 * time.Second
	pingTimeout  = time.Second
	lockWait     = "3" // seconds
	maxAttempts  = 6
	attemptPause = 20 * time.Millisecond
)

// Store implements store.Store. What its methods have written is durable, as far
// as MySQL's settings make it so, when they return.
type Store struct {
	db *sql.DB
}

var _ store.Store = (*Store)(nil)

// Open opens the store. It fails with migrations.ErrOlderSchema or
// ErrNewerSchema if the database's schema is not this program's.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	db, err := connect(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := checkSchema(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(collectors.NewDBStatsCollector(db, "mysql"))
	}
	return &Store{db: db}, nil
}

// Migrate brings the database to this program's schema. Many hosts may do it at once.
func Migrate(ctx context.Context, cfg Config) error {
	db, err := connect(cfg)
	if err != nil {
		return err
	}
	return errors.Join(migrations.UpMySQL(ctx, db), db.Close())
}

// Status returns which step of the schema the database has, and the newest
// known. It changes nothing.
func Status(ctx context.Context, cfg Config) (has, newest int64, err error) {
	db, err := connect(cfg)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
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

// connect makes a pool of connections; it dials nobody yet.
func connect(cfg Config) (*sql.DB, error) {
	config, err := mysql.ParseDSN(cfg.DSN)
	if err != nil {
		return nil, errors.New("not an address of the form user:password@tcp(host:port)/database") // the driver's error may show the password
	}
	if config.DBName == "" {
		return nil, errors.New("the address names no database: user:password@tcp(host:port)/database")
	}
	config.Timeout, config.ReadTimeout, config.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
	config.InterpolateParams = true // one round trip a statement; safe, as the character set is utf8mb4
	config.MultiStatements, config.ParseTime, config.ClientFoundRows = false, false, true
	config.Collation = "utf8mb4_0900_bin"
	config.Params = map[string]string{
		"transaction_isolation":    "'READ-COMMITTED'", // no locks of gaps
		"sql_mode":                 "'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
		"time_zone":                "'+00:00'",
		"innodb_lock_wait_timeout": lockWait,
	}
	if cfg.Logger != nil {
		config.Logger = driverLog{cfg.Logger}
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, errors.New("not an address of the form user:password@tcp(host:port)/database")
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(maxOpen)
	db.SetMaxIdleConns(maxIdle)
	db.SetConnMaxIdleTime(maxIdleTime)
	db.SetConnMaxLifetime(maxLifetime)
	return db, nil
}

// driverLog takes the driver's lines, which repeat what the errors say.
type driverLog struct{ log *slog.Logger }

// Print implements mysql.Logger.
func (l driverLog) Print(v ...any) { l.log.Debug("mysql", "said", fmt.Sprint(v...)) }

// Healthy tells whether the database answers now.
func (s *Store) Healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
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

// MySQL's errors that mean something here.
const (
	errDuplicate = 1062
	errLockWait  = 1205
	errDeadlock  = 1213
)

func isError(err error, number uint16) bool {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && e.Number == number
}

// write does something in a transaction, again if MySQL has rolled it back.
func (s *Store) write(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		err := s.writeOnce(ctx, do)
		rolledBack := isError(err, errDeadlock) || isError(err, errLockWait)
		if !rolledBack || attempt == maxAttempts {
			return err
		}
		pause := time.NewTimer(rand.N(time.Duration(attempt) * attemptPause))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
	}
}

func (s *Store) writeOnce(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := do(ctx, tx); err != nil {
		_ = tx.Rollback() // the reason is told already
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

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
