package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

// StatusSQLite returns which step of the schema the database file has, 0 if
// there is no such file, and which is the newest known. It changes nothing.
func StatusSQLite(ctx context.Context, path string, schema Schema) (has, newest int64, err error) {
	if newest, err = schema.newest(); err != nil {
		return 0, 0, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, newest, nil
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+readOnly(path))
	if err != nil {
		return 0, 0, fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var tables int
	row := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = ?", goose.DefaultTablename)
	if err := row.Scan(&tables); err != nil {
		return 0, 0, fmt.Errorf("look for the table of versions: %w", err)
	}
	if tables == 0 {
		return 0, newest, nil // made, but no step of it yet
	}
	row = db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+goose.DefaultTablename+" WHERE is_applied")
	if err := row.Scan(&has); err != nil {
		return 0, 0, fmt.Errorf("read the version: %w", err)
	}
	return has, newest, nil
}

// readOnly is how to open a database without leaving a trace. Even a reader
// makes the files of a write-ahead log, and leaves them behind as its own user,
// unless the database is said not to change; as it does not when it is closed,
// which is when there is no such log.
func readOnly(path string) string {
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		return "immutable=1"
	}
	return "mode=ro"
}

// newest is the number of the schema's last step.
func (s Schema) newest() (int64, error) {
	steps, err := s.steps()
	if err != nil {
		return 0, err
	}
	names, err := fs.Glob(steps, "*.sql")
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("schema %s has no steps", s)
	}
	number, _, _ := strings.Cut(names[len(names)-1], "_")
	return strconv.ParseInt(number, 10, 64)
}
