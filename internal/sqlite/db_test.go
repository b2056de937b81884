package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestPragmas(t *testing.T) {
	db := open(t, Config{})
	type pragma struct{ name, want string }
	common := []pragma{
		{"journal_mode", "wal"}, {"synchronous", "2"}, {"foreign_keys", "1"}, {"busy_timeout", "10000"},
	}
	for _, p := range append(common, pragma{"cache_size", "-2048"}, pragma{"query_only", "1"}) {
		var got string
		if err := db.QueryRow(t.Context(), "PRAGMA "+p.name).Scan(&got); err != nil || got != p.want {
			t.Errorf("reader: %s is %q (%v), want %q", p.name, got, err, p.want)
		}
	}
	for _, p := range append(common, pragma{"cache_size", "-8192"}, pragma{"query_only", "0"}) {
		var got string
		err := db.Do(t.Context(), func(tx *Tx) error { return tx.QueryRow("PRAGMA " + p.name).Scan(&got) })
		if err != nil || got != p.want {
			t.Errorf("writer: %s is %q (%v), want %q", p.name, got, err, p.want)
		}
	}
}

func TestAnyPathIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?mode=memory#x%20ü.db")
	open(t, Config{Path: path})
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the database's file: %v", err)
	}
}

func TestWhatWasAnsweredIsThereAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	first := open(t, Config{Path: path})
	for i := range 10 {
		if err := first.Do(t.Context(), insert(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if got := open(t, Config{Path: path}).count(t); got != 10 {
		t.Errorf("got %d rows, want 10", got)
	}
}

func TestHealthy(t *testing.T) {
	db := open(t, Config{})
	if err := db.Healthy(t.Context()); err != nil {
		t.Errorf("an open database: %v", err)
	}
	if err := db.Writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Healthy(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("got error %v, want ErrClosed", err)
	}
}

func TestAFailedMigrationFailsOpen(t *testing.T) {
	boom := errors.New("boom")
	_, err := Open(t.Context(), Config{
		Path:    filepath.Join(t.TempDir(), "test.db"),
		Migrate: func(context.Context, *sql.DB) error { return boom },
	})
	if !errors.Is(err, boom) {
		t.Errorf("got error %v, want boom", err)
	}
	if _, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "none", "test.db")}); err == nil {
		t.Error("a database in no folder was opened")
	}
}

func TestManyRows(t *testing.T) {
	db := open(t, Config{})
	const rows = 1000
	err := db.Do(t.Context(), func(tx *Tx) error {
		args := make([]any, 0, 2*rows)
		for i := range rows {
			args = append(args, i, "x")
		}
		return tx.ExecRows("INSERT INTO lines (n, text) VALUES ", 2, args, "")
	})
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	if got := db.count(t); got != rows {
		t.Errorf("got %d rows, want %d", got, rows)
	}
	if got := len(db.tx.stmts); got > 10 {
		t.Errorf("got %d prepared statements, want a few", got)
	}
}
