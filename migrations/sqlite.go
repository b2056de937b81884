package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// UpSQLite brings an SQLite database to the newest step of the schema. All
// steps that it lacks are one transaction, which holds SQLite's write lock from
// before the first look at the version: several processes may start at once.
// db must be a pool of exactly one connection.
//
// ErrNewerSchema if the database is ahead of this program.
func UpSQLite(ctx context.Context, db *sql.DB, schema Schema) error {
	steps, err := schema.steps()
	if err != nil {
		return err
	}
	return upSQLite(ctx, db, steps)
}

func upSQLite(ctx context.Context, db *sql.DB, steps fs.FS) error {
	versions, err := database.NewStore(database.DialectSQLite3, goose.DefaultTablename)
	if err != nil {
		return fmt.Errorf("name the table of versions: %w", err)
	}
	lock := &sqliteLock{versions: versions}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, steps,
		goose.WithSessionLocker(lock), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the steps: %w", err)
	}
	sources := provider.ListSources()
	lock.newest = sources[len(sources)-1].Version
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	current, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if current > lock.newest {
		return fmt.Errorf("%w: it is at step %d, the newest known is %d", ErrNewerSchema, current, lock.newest)
	}
	return nil
}

// sqliteLock is a transaction around all that goose does. SQLite has no lock
// that outlives a transaction, so the steps must not begin their own: each file
// says NO TRANSACTION, and one that does not fails at once.
type sqliteLock struct {
	versions database.Store
	newest   int64
}

// SessionLock takes the write lock, and makes the table of versions, for which
// goose would begin a transaction.
func (l *sqliteLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("take the write lock: %w", err)
	}
	if err := l.makeTable(ctx, conn); err != nil {
		return errors.Join(fmt.Errorf("make the table of versions: %w", err), finish(ctx, conn, "ROLLBACK"))
	}
	return nil
}

func (l *sqliteLock) makeTable(ctx context.Context, conn *sql.Conn) error {
	var tables int
	err := conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = ?", l.versions.Tablename()).Scan(&tables)
	if err != nil || tables > 0 {
		return err
	}
	if err := l.versions.CreateVersionTable(ctx, conn); err != nil {
		return err
	}
	return l.versions.Insert(ctx, conn, database.InsertRequest{Version: 0})
}

// SessionUnlock keeps the steps if all of them were made, and none otherwise:
// goose does not say here whether it failed.
func (l *sqliteLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	latest, err := l.versions.GetLatestVersion(ctx, conn)
	if err == nil && latest >= l.newest {
		return finish(ctx, conn, "COMMIT")
	}
	return errors.Join(err, finish(ctx, conn, "ROLLBACK"))
}

func finish(ctx context.Context, conn *sql.Conn, how string) error {
	if _, err := conn.ExecContext(ctx, how); err != nil {
		return fmt.Errorf("%s: %w", how, err)
	}
	return nil
}
