package sqlitestore

import (
	"database/sql"
	"fmt"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/sqlite"
	"github.com/breakwater-chat/breakwater/store/ledger"
)

const (
	selectMemberships = `SELECT m.room, m.user, m.incarnation, m.connection
		FROM given g CROSS JOIN memberships m ON m.room = g.room AND m.user = g.user
			AND m.incarnation = g.incarnation AND m.connection = g.connection`
	selectPresences = `SELECT p.room, p.user, p.connections, p.joined_at
		FROM given g CROSS JOIN presences p ON p.room = g.room AND p.user = g.user`
	selectCounts = `SELECT c.room, c.users, c.version
		FROM given g CROSS JOIN room_counts c ON c.room = g.room`

	insertMemberships = "INSERT INTO memberships (room, user, incarnation, connection) VALUES "
	deleteMemberships = "DELETE FROM memberships WHERE (room, user, incarnation, connection) IN (VALUES "
	replacePresences  = "REPLACE INTO presences (room, user, connections, joined_at) VALUES "
	deletePresences   = "DELETE FROM presences WHERE (room, user) IN (VALUES "
	replaceCounts     = "REPLACE INTO room_counts (room, users, version) VALUES "
)

// openLedger loads everything that changes of these memberships need. The
// transaction around it is the only one that writes, so nothing changes between
// the load and the store.
func openLedger(tx *sqlite.Tx, touched []ledger.Membership) (*ledger.Ledger, error) {
	l := ledger.Open(touched)
	if err := tx.QueryRow("SELECT " + now).Scan(&l.Now); err != nil {
		return nil, fmt.Errorf("read the store's clock: %w", err)
	}
	for _, load := range []func(*sqlite.Tx, *ledger.Ledger) error{loadMemberships, loadPresences, loadCounts} {
		if err := load(tx, l); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func loadMemberships(tx *sqlite.Tx, l *ledger.Ledger) error {
	given := []string{"room", "user", "incarnation", "connection"}
	err := tx.QueryRows(given, ledger.Args(l.Memberships()), selectMemberships, func(rows *sql.Rows) error {
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

func loadPresences(tx *sqlite.Tx, l *ledger.Ledger) error {
	err := tx.QueryRows([]string{"room", "user"}, ledger.Args(l.Presences()), selectPresences, func(rows *sql.Rows) error {
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

func loadCounts(tx *sqlite.Tx, l *ledger.Ledger) error {
	err := tx.QueryRows([]string{"room"}, ids(l.Rooms()), selectCounts, func(rows *sql.Rows) error {
		var c ledger.Count
		err := rows.Scan(&c.Room, &c.Users, &c.Version)
		l.LoadCount(c)
		return err
	})
	if err != nil {
		return fmt.Errorf("load room counts: %w", err)
	}
	return nil
}

// storeLedger writes what has changed since the ledger was opened.
func storeLedger(tx *sqlite.Tx, d ledger.Difference) error {
	for _, step := range []struct {
		statement, tail string
		columns         int
		args            []any
	}{
		{insertMemberships, "", 4, ledger.Args(d.Entered)},
		{deleteMemberships, ")", 4, ledger.Args(d.Left)},
		{replacePresences, "", 4, ledger.Args(d.Occupied)},
		{deletePresences, ")", 2, ledger.Args(d.Ended)},
		{replaceCounts, "", 3, ledger.Args(d.Counts)},
	} {
		if err := tx.ExecRows(step.statement, step.columns, step.args, step.tail); err != nil {
			return fmt.Errorf("%.30s: %w", step.statement, err)
		}
	}
	return nil
}

// ids are arguments for rows of one column.
func ids[T bw.RoomID | int64](list []T) []any {
	args := make([]any, len(list))
	for i, id := range list {
		args[i] = int64(id)
	}
	return args
}
