package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-sql-driver/mysql"
)

// What MySQL rolls back for the sake of others is done so many times, after
// pauses that grow.
const (
	maxAttempts  = 6
	attemptPause = 20 * time.Millisecond
)

// MySQL's errors that mean something here.
const (
	errDuplicate = 1062
	errLockWait  = 1205
	errDeadlock  = 1213
)

func isError(err error, number uint16) bool {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && e.Number == number
}

// write does something in a transaction.
func (s *Store) write(ctx context.Context, do func(ctx context.Context, tx *sql.Tx) error) error {
	return s.repeat(ctx, func(ctx context.Context) error {
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		if err := do(ctx, tx); err != nil {
			_ = tx.Rollback() // the reason is told already
			return err
		}
		if err := tx.Commit(); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		return nil
	})
}

// exec runs one statement, which is a transaction of its own, and tells how many
// rows it has found or made.
func (s *Store) exec(ctx context.Context, statement string, args ...any) (rows int64, err error) {
	err = s.repeat(ctx, func(ctx context.Context) error {
		done, err := s.db.ExecContext(ctx, statement, args...)
		if err == nil {
			rows, err = done.RowsAffected()
		}
		return err
	})
	return rows, err
}

// repeat does a transaction, again if MySQL says that nothing of it was kept: it
// was in the way of others, or somebody has made meanwhile what was not there
// when it looked.
func (s *Store) repeat(ctx context.Context, transaction func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		err := transaction(ctx)
		again := isError(err, errDeadlock) || isError(err, errLockWait) || isError(err, errDuplicate)
		if !again || attempt == maxAttempts {
			return err
		}
		s.metrics.repeated.Inc()
		pause := time.NewTimer(rand.N(time.Duration(attempt) * attemptPause))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
	}
}

// querier is the pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// query calls scan for each row of an answer.
func query(ctx context.Context, from querier, text string, args []any, scan func(*sql.Rows) error) error {
	rows, err := from.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
