package migrations

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-chat/breakwater/internal/sqlite"
)

func TestStatusSQLite(t *testing.T) {
	newest, err := SQLiteStore.newest()
	if err != nil || newest < 1 {
		t.Fatalf("the newest step: got %d and error %v, want at least 1", newest, err)
	}
	nothing := func(context.Context, *sql.DB) error { return nil }
	then := func(statement string) func(context.Context, *sql.DB) error {
		return func(ctx context.Context, db *sql.DB) error {
			if err := UpSQLite(ctx, db, SQLiteStore); err != nil {
				return err
			}
			_, err := db.ExecContext(ctx, statement)
			return err
		}
	}
	for _, test := range []struct {
		name string
		make func(context.Context, *sql.DB) error // nil: there is no file
		has  int64
	}{
		{"there is no database", nil, 0},
		{"a database without a table", nothing, 0},
		{"a current one", embedded, newest},
		{"an older one", then("DELETE FROM goose_db_version WHERE version_id > 0"), 0},
		{"a newer one", then("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"), 9999},
	} {
		t.Run(test.name, func(t *testing.T) {
			// The name holds what means something in an URI.
			path := filepath.Join(t.TempDir(), "50% ?mode=rwc#.db")
			if test.make != nil {
				if err := migrate(t.Context(), path, test.make); err != nil {
					t.Fatal(err)
				}
			}
			before := folder(t, path)
			has, known, err := StatusSQLite(t.Context(), path, SQLiteStore)
			if err != nil || has != test.has || known != newest {
				t.Errorf("got step %d of %d and error %v, want step %d of %d", has, known, err, test.has, newest)
			}
			if after := folder(t, path); !slices.Equal(after, before) {
				t.Errorf("looking changed the folder: got %q, want %q", after, before)
			}
		})
	}
}

// TestStatusOfAnOpenDatabase asks while a server has the database open.
func TestStatusOfAnOpenDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Migrate: embedded})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	has, newest, err := StatusSQLite(t.Context(), path, SQLiteStore)
	if err != nil || has != newest {
		t.Errorf("got step %d of %d and error %v, want the newest step", has, newest, err)
	}
}

func TestStatusOfWhatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if has, _, err := StatusSQLite(t.Context(), path, SQLiteStore); err == nil {
		t.Errorf("got step %d without an error, want an error", has)
	}
}

// folder lists what is beside the file, with a digest of its content.
func folder(t *testing.T, path string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %x", e.Name(), sha256.Sum256(content)))
	}
	return list
}
