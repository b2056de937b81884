package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
)

// mysqlLockName is the lock under which hosts migrate one after the other. Locks
// of MySQL are the whole server's, so the name has the database's.
const mysqlLockName = "CONCAT('breakwater migrate ', LEFT(SHA2(DATABASE(), 256), 32))"

// mysqlLockWait bounds the wait for other hosts' migrations.
const mysqlLockWait = 5 * time.Minute

// UpMySQL brings a MySQL database to the newest step. Many hosts may do it at
// once: one after the other takes a lock, which ends with its connection. A step
// that was broken off is made again from its beginning: each can be. db must wait
// for an answer as long as other hosts' steps and its own take.
//
// ErrNewerSchema if the database is ahead of this program.
func UpMySQL(ctx context.Context, db *sql.DB) error {
	steps, err := MySQL.steps()
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectMySQL, db, steps,
		goose.WithSessionLocker(mysqlLock{}), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the steps: %w", err)
	}
	has, newest, err := StatusMySQL(ctx, db)
	if err != nil {
		return err
	}
	if has > newest {
		return fmt.Errorf("%w: it is at step %d, the newest known is %d", ErrNewerSchema, has, newest)
	}
	// Up looks before it takes the lock, and makes goose's table for that: another host
	// may see it half made. This makes it under the lock.
	if _, err := provider.GetDBVersion(ctx); err != nil {
		return fmt.Errorf("make ready to migrate: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// StatusMySQL returns which step of the schema the database has, 0 for none, and
// which is the newest known. It changes nothing.
func StatusMySQL(ctx context.Context, db *sql.DB) (has, newest int64, err error) {
	if newest, err = MySQL.newest(); err != nil {
		return 0, 0, err
	}
	row := db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+goose.DefaultTablename+" WHERE is_applied")
	err = row.Scan(&has)
	const noSuchTable = 1146
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok && e.Number == noSuchTable {
		return 0, newest, nil // no step was made yet
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read the version: %w", err)
	}
	return has, newest, nil
}

// mysqlLock is a named lock of the session that migrates.
type mysqlLock struct{}

// SessionLock implements lock.SessionLocker.
func (mysqlLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	var got sql.NullInt64
	row := conn.QueryRowContext(ctx, "SELECT GET_LOCK("+mysqlLockName+", ?)", int(mysqlLockWait.Seconds()))
	if err := row.Scan(&got); err != nil {
		return fmt.Errorf("take the lock of migrations: %w", err)
	}
	if got.Int64 != 1 {
		return fmt.Errorf("another host has been migrating for %v", mysqlLockWait)
	}
	return nil
}

// SessionUnlock implements lock.SessionLocker.
func (mysqlLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "DO RELEASE_LOCK("+mysqlLockName+")"); err != nil {
		return fmt.Errorf("give back the lock of migrations: %w", err)
	}
	return nil
}
