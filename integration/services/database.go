package services

import (
	"context"
	"crypto/rand"
	"database/sql"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/breakwater-chat/breakwater/loadtest/stand/service"
)

// Database makes an empty database for one test and gives its DSN. It is
// dropped at the end of the test, when MySQL must be up again.
func (s *Service) Database(t testing.TB) string {
	t.Helper()
	config, err := mysql.ParseDSN(s.URL)
	if err != nil {
		t.Fatalf("reading the address of MySQL: %v", err)
	}
	db, err := service.OpenMySQL(config.Clone())
	if err != nil {
		t.Fatal(err)
	}
	config.DBName = "test_" + rand.Text()
	execute := func(statement string) {
		t.Helper()
		if err := executeWithin(t.Context(), db, statement+" `"+config.DBName+"`"); err != nil {
			t.Errorf("%s for a test: %v", statement, err)
		}
	}
	execute("CREATE DATABASE")
	t.Cleanup(func() {
		execute("DROP DATABASE")
		if err := db.Close(); err != nil {
			t.Errorf("leaving MySQL: %v", err)
		}
	})
	return config.FormatDSN()
}

func executeWithin(ctx context.Context, db *sql.DB, statement string) error {
	// At a test's end its context has ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	_, err := db.ExecContext(ctx, statement)
	return err
}
