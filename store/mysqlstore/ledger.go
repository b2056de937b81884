package mysqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	bw "github.com/breakwater-chat/breakwater"
)

// ledger carries memberships from one state to the next: it locks the rooms that
// a batch touches, loads what is there, takes the changes one by one in memory,
// and stores the difference. It costs the same few statements however large the
// batch is.
type ledger struct {
	tx *sql.Tx
	// now is the time at which presences begin.
	now bw.Millis

	memberships map[membership]entry
	presences   map[presence]*occupancy
	rooms       map[bw.RoomID]*roomCount
}

// membership is one connection in one room.
type membership struct {
	presence
	incarnation bw.Incarnation
	connection  bw.ConnectionID
}

// entry says whether a membership was there before and is there now.
type entry struct{ before, now bool }

// presence is one user in one room.
type presence struct {
	room bw.RoomID
	user bw.UserID
}

// occupancy is what the memberships of a presence amount to.
type occupancy struct {
	before, connections int
	joinedAt            bw.Millis
}

// roomCount is what the presences of a room amount to.
type roomCount struct {
	users   int
	version int64
	changed bool
}

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
// loads everything that changes of them need.
func openLedger(ctx context.Context, tx *sql.Tx, touched []membership) (*ledger, error) {
	l := &ledger{
		tx:          tx,
		memberships: make(map[membership]entry, len(touched)),
		presences:   make(map[presence]*occupancy, len(touched)),
		rooms:       make(map[bw.RoomID]*roomCount),
	}
	for _, m := range touched {
		l.memberships[m] = entry{}
		l.presences[m.presence] = &occupancy{}
		l.rooms[m.room] = &roomCount{}
	}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"lock the rooms", l.lock},
		{"load room counts", l.loadCounts},
		{"load presences", l.loadPresences},
		{"load memberships", l.loadMemberships},
	} {
		if len(touched) == 0 {
			break
		}
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return l, nil
}

func (l *ledger) lock(ctx context.Context) error {
	var args []any
	for _, room := range slices.Sorted(maps.Keys(l.rooms)) {
		args = append(args, int64(room))
	}
	return l.exec(ctx, lockRooms, values, 1, args)
}

func (l *ledger) loadCounts(ctx context.Context) error {
	var args []any
	for room := range l.rooms {
		args = append(args, int64(room))
	}
	return l.query(ctx, selectCounts, 1, args, func(rows *sql.Rows) error {
		var room bw.RoomID
		var c roomCount
		err := rows.Scan(&l.now, &room, &c.users, &c.version)
		*l.rooms[room] = c
		return err
	})
}

func (l *ledger) loadPresences(ctx context.Context) error {
	args := make([]any, 0, 2*len(l.presences))
	for p := range l.presences {
		args = append(args, int64(p.room), int64(p.user))
	}
	return l.query(ctx, selectPresences, 2, args, func(rows *sql.Rows) error {
		var p presence
		var o occupancy
		err := rows.Scan(&p.room, &p.user, &o.connections, &o.joinedAt)
		o.before = o.connections
		*l.presences[p] = o
		return err
	})
}

func (l *ledger) loadMemberships(ctx context.Context) error {
	args := make([]any, 0, 4*len(l.memberships))
	for m := range l.memberships {
		args = append(args, m.row()...)
	}
	return l.query(ctx, selectMemberships, 4, args, func(rows *sql.Rows) error {
		var m membership
		err := rows.Scan(&m.room, &m.user, &m.incarnation, &m.connection)
		l.memberships[m] = entry{before: true, now: true}
		return err
	})
}

func (m membership) row() []any {
	return []any{int64(m.room), int64(m.user), int64(m.incarnation), int64(m.connection)}
}

// enter records a connection's join. It tells whether the presence began.
func (l *ledger) enter(m membership) bool {
	e := l.memberships[m]
	if e.now {
		return false
	}
	e.now = true
	l.memberships[m] = e
	o := l.presences[m.presence]
	o.connections++
	if o.connections > 1 {
		return false
	}
	o.joinedAt = l.now
	l.rooms[m.room].add(1)
	return true
}

// leave records a connection's leave. It tells whether the presence ended.
func (l *ledger) leave(m membership) bool {
	e := l.memberships[m]
	if !e.now {
		return false
	}
	e.now = false
	l.memberships[m] = e
	o := l.presences[m.presence]
	o.connections--
	if o.connections > 0 {
		return false
	}
	l.rooms[m.room].add(-1)
	return true
}

// add counts a presence's beginning or end. All of a batch make one new version.
func (c *roomCount) add(users int) {
	c.users += users
	if !c.changed {
		c.changed = true
		c.version++
	}
}

// store writes what has changed since the ledger was opened.
func (l *ledger) store(ctx context.Context) error {
	var in, out, occupied, empty, counts []any
	for _, m := range slices.SortedFunc(maps.Keys(l.memberships), compareMemberships) {
		switch e := l.memberships[m]; {
		case e.now && !e.before:
			in = append(in, m.row()...)
		case e.before && !e.now:
			out = append(out, m.row()...)
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(l.presences), comparePresences) {
		switch o := l.presences[p]; {
		case o.connections == 0 && o.before > 0:
			empty = append(empty, int64(p.room), int64(p.user))
		case o.connections > 0 && (o.connections != o.before || o.joinedAt == l.now):
			occupied = append(occupied, int64(p.room), int64(p.user), o.connections, int64(o.joinedAt))
		}
	}
	for room, c := range l.rooms {
		if c.changed {
			counts = append(counts, int64(room), c.users, c.version)
		}
	}
	for _, step := range []struct {
		statement string
		place     func(rows, columns int) string
		columns   int
		args      []any
	}{
		{insertMemberships, values, 4, in},
		{deleteMemberships, tuples, 4, out},
		{replacePresences, values, 4, occupied},
		{deletePresences, tuples, 2, empty},
		{replaceCounts, values, 3, counts},
	} {
		if err := l.exec(ctx, step.statement, step.place, step.columns, step.args); err != nil {
			return fmt.Errorf("%.30s: %w", step.statement, err)
		}
	}
	return nil
}

func comparePresences(a, b presence) int {
	return cmp.Or(cmp.Compare(a.room, b.room), cmp.Compare(a.user, b.user))
}

func compareMemberships(a, b membership) int {
	return cmp.Or(comparePresences(a.presence, b.presence),
		cmp.Compare(a.incarnation, b.incarnation), cmp.Compare(a.connection, b.connection))
}

// exec runs a statement over rows of that many columns, whose placeholders place
// makes; nothing if there are none.
func (l *ledger) exec(ctx context.Context, statement string, place func(rows, columns int) string, columns int, args []any) error {
	if len(args) == 0 {
		return nil
	}
	_, err := l.tx.ExecContext(ctx, fmt.Sprintf(statement, place(len(args)/columns, columns)), args...)
	return err
}

// query runs a query over rows of that many columns.
func (l *ledger) query(ctx context.Context, text string, columns int, args []any, scan func(*sql.Rows) error) error {
	return query(ctx, l.tx, fmt.Sprintf(text, tuples(len(args)/columns, columns)), args, scan)
}

// values are placeholders for rows to insert: (?,?),(?,?) for two of two columns.
func values(rows, columns int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", columns), ",") + ")"
	return strings.TrimSuffix(strings.Repeat(row+",", rows), ",")
}

// tuples are placeholders for rows in a list: ((?,?),(?,?)) for two of two columns.
func tuples(rows, columns int) string { return "(" + values(rows, columns) + ")" }
