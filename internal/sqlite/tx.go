package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// Tx is the writer's transaction as one function sees it. It must not be kept
// beyond the function. Its methods take no context: a transaction is shared, so
// one caller's deadline must not end it for the others.
//
// Statements stay prepared for ever, so a query must be a text of the program,
// never built from data.
type Tx struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// Exec runs a statement that returns no rows.
func (t *Tx) Exec(query string, args ...any) (sql.Result, error) {
	stmt, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(context.Background(), args...)
}

// Query reads rows; they must be closed before the next call.
func (t *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	stmt, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(context.Background(), args...)
}

// QueryRow reads one row; Scan returns sql.ErrNoRows without one.
func (t *Tx) QueryRow(query string, args ...any) Row {
	stmt, err := t.stmt(query)
	if err != nil {
		return Row{err: err}
	}
	return Row{row: stmt.QueryRowContext(context.Background(), args...)}
}

func (t *Tx) stmt(query string) (*sql.Stmt, error) {
	if stmt := t.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := t.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("prepare %.40q: %w", query, err)
	}
	t.stmts[query] = stmt
	return stmt, nil
}

// run executes statements of transaction control.
func (t *Tx) run(statements ...string) error {
	for _, s := range statements {
		if _, err := t.Exec(s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}
