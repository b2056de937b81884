package migrations

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"

	"github.com/breakwater-chat/breakwater/internal/sqlite"
)

// childPath makes the test binary a process that migrates that file and exits.
const childPath = "MIGRATIONS_TEST_PATH"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		if err := migrate(context.Background(), path, embedded); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func embedded(ctx context.Context, db *sql.DB) error {
	return UpSQLite(ctx, db, SQLiteStore)
}

func migrate(ctx context.Context, path string, up func(context.Context, *sql.DB) error) error {
	db, err := sqlite.Open(ctx, sqlite.Config{Path: path, Migrate: up})
	if err != nil {
		return err
	}
	return db.Close()
}

func steps(fsys fs.FS) func(context.Context, *sql.DB) error {
	return func(ctx context.Context, db *sql.DB) error { return upSQLite(ctx, db, fsys) }
}

func TestEverySchemaGoesUpTwice(t *testing.T) {
	for _, schema := range []Schema{SQLiteStore, SQLiteMessages} {
		t.Run(string(schema), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			for range 2 {
				err := migrate(t.Context(), path, func(ctx context.Context, db *sql.DB) error {
					return UpSQLite(ctx, db, schema)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestProcessesThatStartAtOnceMigrateOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	errs := make(chan error)
	const processes = 6
	for range processes {
		go func() {
			child := exec.CommandContext(t.Context(), os.Args[0])
			child.Env = append(os.Environ(), childPath+"="+path)
			out, err := child.CombinedOutput()
			if err != nil {
				err = errors.Join(err, errors.New(string(out)))
			}
			errs <- err
		}()
	}
	for range processes {
		if err := <-errs; err != nil {
			t.Errorf("a process failed: %v", err)
		}
	}
	if got := applied(t, path); got != 1 {
		t.Errorf("the first step was applied %d times, want once", got)
	}
}

func TestOpensAtOnceRunAStepOnce(t *testing.T) {
	// A step that may run twice without an error is the dangerous one.
	repeatable := fstest.MapFS{"00001_a.sql": {Data: []byte(
		"-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE IF NOT EXISTS t (n INTEGER);\nINSERT INTO t VALUES (1);\n")}}
	path := filepath.Join(t.TempDir(), "test.db")
	errs := make(chan error)
	const opens = 8
	for range opens {
		go func() { errs <- migrate(t.Context(), path, steps(repeatable)) }()
	}
	for range opens {
		if err := <-errs; err != nil {
			t.Errorf("an open failed: %v", err)
		}
	}
	if got := query(t, path, "SELECT count(*) FROM t"); got != 1 {
		t.Errorf("the step ran %d times, want once", got)
	}
}

func TestANewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	older := fstest.MapFS{"00001_a.sql": {Data: []byte("-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE a (n INTEGER);\n")}}
	newer := fstest.MapFS{
		"00001_a.sql": older["00001_a.sql"],
		"00002_b.sql": {Data: []byte("-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE b (n INTEGER);\n")},
	}
	if err := migrate(t.Context(), path, steps(newer)); err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), path, steps(older)); !errors.Is(err, ErrNewerSchema) {
		t.Errorf("got error %v, want ErrNewerSchema", err)
	}
}

func TestAFailedStepLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	broken := fstest.MapFS{"00001_a.sql": {Data: []byte(
		"-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE a (n INTEGER);\nINSERT INTO none VALUES (1);\n")}}
	if err := migrate(t.Context(), path, steps(broken)); err == nil {
		t.Fatal("a broken step was applied")
	}
	if got := query(t, path, "SELECT count(*) FROM sqlite_schema WHERE name = 'a'"); got != 0 {
		t.Error("a table of the broken step stayed")
	}
	mended := fstest.MapFS{"00001_a.sql": {Data: []byte("-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE a (n INTEGER);\n")}}
	if err := migrate(t.Context(), path, steps(mended)); err != nil {
		t.Errorf("the mended step: %v", err)
	}
}

func applied(t *testing.T, path string) int {
	t.Helper()
	return query(t, path, "SELECT count(*) FROM goose_db_version WHERE version_id = 1")
}

func query(t *testing.T, path, q string) (n int) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(t.Context(), q).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
