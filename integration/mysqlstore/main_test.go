// Package mysqlstore holds the store of a cluster to its contract, on a real
// MySQL that is killed now and then.
package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/integration/services"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/mysqlstore"
	"github.com/breakwater-chat/breakwater/store/storetest"
)

// server is the MySQL of all tests; each has a database of its own in it.
var server *services.Service

// numbers are those of batches: each is above all before it, whoever writes it.
var numbers atomic.Int64

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if server, err = services.StartMySQL(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		status := m.Run()
		if err := errors.Join(server.Close(), goleak.Find()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return max(status, 1)
		}
		return status
	}())
}

// patience is how long anything may take that must happen.
const patience = 2 * time.Minute

// database makes an empty database of the test's, with the schema.
func database(t testing.TB) (dsn string) {
	t.Helper()
	dsn = server.Database(t)
	if err := mysqlstore.Migrate(t.Context(), mysqlstore.Config{DSN: dsn}); err != nil {
		t.Fatal(err)
	}
	return dsn
}

// open opens a store, as one more server of the cluster.
func open(t testing.TB, cfg mysqlstore.Config) *mysqlstore.Store {
	t.Helper()
	s, err := mysqlstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// raw looks at a database past the stores.
func raw(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// number asks for one.
func number(t testing.TB, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// executor is a *sql.DB, *sql.Conn or *sql.Tx.
type executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func execute(t testing.TB, db executor, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// lockWaits is how many transactions wait for a lock.
func lockWaits(t testing.TB, db *sql.DB) int {
	t.Helper()
	return number(t, db, "SELECT count(DISTINCT requesting_engine_transaction_id) FROM performance_schema.data_lock_waits")
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func register(t testing.TB, s *mysqlstore.Store, server bw.ServerID) store.Identity {
	t.Helper()
	id, err := s.Register(t.Context(), server, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func apply(t testing.TB, s *mysqlstore.Store, id store.Identity, batch ...store.Change) []store.Outcome {
	t.Helper()
	outcomes, err := s.ApplyChanges(t.Context(), id, numbers.Add(1), batch)
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, mysqlstore.Config{DSN: database(t)})
	})
}
