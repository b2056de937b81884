package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store/ledger"
)

const (
	lockRooms         = "INSERT INTO room_counts (room) VALUES %s ON DUPLICATE KEY UPDATE room = VALUES(room)"
	selectCounts      = "SELECT " + now + ", room, users, version FROM room_counts WHERE room IN %s"
	selectPresences   = "SELECT room, user, connections, joined_at FROM presences WHERE (room, user) IN %s"
	selectMemberships = `SELECT room, user, incarnation, connection FROM memberships
		WHERE (room, user, incarnation, connection) IN %s`

	insertMemberships = "INSERT INTO memberships (room, user, incarnation, connection) VALUES %s"
	deleteMemberships = "DELETE FROM memberships WHERE (room, user, incarnation, connection) IN %s"
	replacePresences  = `INSERT INTO presences (room, user, connections, joined_at) VALUES %s
		ON DUPLICATE KEY UPDATE connections = VALUES(connections), joined_at = VALUES(joined_at)`
	deletePresences = "DELETE FROM presences WHERE (room, user) IN %s"
	replaceCounts   = `INSERT INTO room_counts (room, users, version) VALUES %s
		ON DUPLICATE KEY UPDATE users = VALUES(users), version = VALUES(version)`
)

// openLedger locks the rooms of these memberships, in the order of their ids, and
// loads everything that changes of them need: a few statements, however many
// they are.
func openLedger(ctx context.Context, tx *sql.Tx, touched []ledger.Membership) (*ledger.Ledger, error) {
	l := ledger.Open(touched)
	if err := execRows(ctx, tx, lockRooms, values, 1, ids(l.Rooms())); err != nil {
		return nil, fmt.Errorf("lock the rooms: %w", err)
	}
	for _, load := range []func(context.Context, *sql.Tx, *ledger.Ledger) error{loadCounts, loadPresences, loadMemberships} {
		if err := load(ctx, tx, l); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func loadCounts(ctx context.Context, tx *sql.Tx, l *ledger.Ledger) error {
	err := queryRows(ctx, tx, selectCounts, 1, ids(l.Rooms()), func(rows *sql.Rows) error {
		var c ledger.Count
		err := rows.Scan(&l.Now, &c.Room, &c.Users, &c.Version)
		l.LoadCount(c)
		return err
	})
	if err != nil {
		return fmt.Errorf("load room counts: %w", err)
	}
	return nil
}

func loadPresences(ctx context.Context, tx *sql.Tx, l *ledger.Ledger) error {
	err := queryRows(ctx, tx, selectPresences, 2, ledger.Args(l.Presences()), func(rows *sql.Rows) error {
		var o ledger.Occupancy
		err := rows.Scan(&o.Room, &o.User, &o.Connections, &o.JoinedAt)
		l.LoadOccupancy(o)
		return err
	})
	if err != nil {
		return fmt.Errorf("load presences: %w", err)
	}
	return nil
}

func loadMemberships(ctx context.Context, tx *sql.Tx, l *ledger.Ledger) error {
	err := queryRows(ctx, tx, selectMemberships, 4, ledger.Args(l.Memberships()), func(rows *sql.Rows) error {
		var m ledger.Membership
		err := rows.Scan(&m.Room, &m.User, &m.Incarnation, &m.Connection)
		l.LoadMembership(m)
		return err
	})
	if err != nil {
		return fmt.Errorf("load memberships: %w", err)
	}
	return nil
}

// storeLedger writes what has changed since the ledger was opened.
func storeLedger(ctx context.Context, tx *sql.Tx, d ledger.Difference) error {
	for _, step := range []struct {
		statement string
		place     func(rows, columns int) string
		columns   int
		args      []any
	}{
		{insertMemberships, values, 4, ledger.Args(d.Entered)},
		{deleteMemberships, tuples, 4, ledger.Args(d.Left)},
		{replacePresences, values, 4, ledger.Args(d.Occupied)},
		{deletePresences, tuples, 2, ledger.Args(d.Ended)},
		{replaceCounts, values, 3, ledger.Args(d.Counts)},
	} {
		if err := execRows(ctx, tx, step.statement, step.place, step.columns, step.args); err != nil {
			return fmt.Errorf("%.30s: %w", step.statement, err)
		}
	}
	return nil
}

// execRows runs a statement over rows of that many columns, whose placeholders place
// makes; nothing if there are none.
func execRows(
	ctx context.Context, tx *sql.Tx, statement string, place func(rows, columns int) string, columns int, args []any,
) error {
	if len(args) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf(statement, place(len(args)/columns, columns)), args...)
	return err
}

// queryRows runs a query over rows of that many columns; nothing if there are none.
func queryRows(ctx context.Context, tx *sql.Tx, text string, columns int, args []any, scan func(*sql.Rows) error) error {
	if len(args) == 0 {
		return nil
	}
	return query(ctx, tx, fmt.Sprintf(text, tuples(len(args)/columns, columns)), args, scan)
}

// values are placeholders for rows to insert: (?,?),(?,?) for two of two columns.
func values(rows, columns int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", columns), ",") + ")"
	return strings.TrimSuffix(strings.Repeat(row+",", rows), ",")
}

// tuples are placeholders for rows in a list: ((?,?),(?,?)) for two of two columns.
func tuples(rows, columns int) string { return "(" + values(rows, columns) + ")" }

// ids are arguments for rows of one column.
func ids[T bw.RoomID | int64](list []T) []any {
	args := make([]any, len(list))
	for i, id := range list {
		args[i] = int64(id)
	}
	return args
}
