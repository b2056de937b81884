// Package mysqlstore holds the store of a cluster to its contract, on a real
// MySQL that is killed now and then.
package mysqlstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/breakwater-chat/breakwater/integration/services"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/mysqlstore"
	"github.com/breakwater-chat/breakwater/store/storetest"
)

// server is the MySQL of all tests; each has a database of its own in it.
var server *services.Service

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

// open makes a store on an empty database of the test's.
func open(t testing.TB) *mysqlstore.Store {
	t.Helper()
	cfg := mysqlstore.Config{DSN: server.Database(t)}
	if err := mysqlstore.Migrate(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
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

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
}
