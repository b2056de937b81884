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
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro")
	if err != nil {
		return 0, 0, fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	row := db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied")
	if err := row.Scan(&has); err != nil {
		return 0, 0, fmt.Errorf("read the version: %w", err)
	}
	return has, newest, nil
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
