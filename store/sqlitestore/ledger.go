package sqlitestore

import (
	"database/sql"
	"fmt"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/sqlite"
)

// ledger carries memberships from one state to the next: it loads what a batch
// touches, takes the changes one by one in memory, and stores the difference.
// The transaction around it is the only one that writes, so nothing changes
// between the load and the store.
type ledger struct {
	tx *sqlite.Tx
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

// openLedger loads everything that changes of these memberships need.
func openLedger(tx *sqlite.Tx, touched []membership) (*ledger, error) {
	l := &ledger{
		tx:          tx,
		memberships: make(map[membership]entry, len(touched)),
		presences:   make(map[presence]*occupancy, len(touched)),
		rooms:       make(map[bw.RoomID]*roomCount),
	}
	for _, m := range touched {
		l.memberships[m] = entry{}
		l.presences[m.presence] = nil
		l.rooms[m.room] = nil
	}
	if err := tx.QueryRow("SELECT " + now).Scan(&l.now); err != nil {
		return nil, fmt.Errorf("read the store's clock: %w", err)
	}
	for _, load := range []func() error{l.loadMemberships, l.loadPresences, l.loadCounts} {
		if err := load(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *ledger) loadMemberships() error {
	args := make([]any, 0, 4*len(l.memberships))
	for m := range l.memberships {
		args = append(args, int64(m.room), int64(m.user), int64(m.incarnation), int64(m.connection))
	}
	given := []string{"room", "user", "incarnation", "connection"}
	err := l.tx.QueryRows(given, args, selectMemberships, func(rows *sql.Rows) error {
		var m membership
		err := rows.Scan(&m.room, &m.user, &m.incarnation, &m.connection)
		l.memberships[m] = entry{before: true, now: true}
		return err
	})
	if err != nil {
		return fmt.Errorf("load memberships: %w", err)
	}
	return nil
}

func (l *ledger) loadPresences() error {
	args := make([]any, 0, 2*len(l.presences))
	all := make([]occupancy, len(l.presences))
	for p := range l.presences {
		args = append(args, int64(p.room), int64(p.user))
		l.presences[p] = &all[len(args)/2-1]
	}
	err := l.tx.QueryRows([]string{"room", "user"}, args, selectPresences, func(rows *sql.Rows) error {
		var p presence
		var o occupancy
		err := rows.Scan(&p.room, &p.user, &o.connections, &o.joinedAt)
		o.before = o.connections
		*l.presences[p] = o
		return err
	})
	if err != nil {
		return fmt.Errorf("load presences: %w", err)
	}
	return nil
}

func (l *ledger) loadCounts() error {
	args := make([]any, 0, len(l.rooms))
	for room := range l.rooms {
		args = append(args, int64(room))
		l.rooms[room] = &roomCount{}
	}
	err := l.tx.QueryRows([]string{"room"}, args, selectCounts, func(rows *sql.Rows) error {
		var room bw.RoomID
		var c roomCount
		err := rows.Scan(&room, &c.users, &c.version)
		*l.rooms[room] = c
		return err
	})
	if err != nil {
		return fmt.Errorf("load room counts: %w", err)
	}
	return nil
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
func (l *ledger) store() error {
	var in, out, occupied, empty, counts []any
	for m, e := range l.memberships {
		row := []any{int64(m.room), int64(m.user), int64(m.incarnation), int64(m.connection)}
		switch {
		case e.now && !e.before:
			in = append(in, row...)
		case e.before && !e.now:
			out = append(out, row...)
		}
	}
	for p, o := range l.presences {
		switch {
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
		statement, tail string
		columns         int
		args            []any
	}{
		{insertMemberships, "", 4, in},
		{deleteMemberships, ")", 4, out},
		{replacePresences, "", 4, occupied},
		{deletePresences, ")", 2, empty},
		{replaceCounts, "", 3, counts},
	} {
		if err := l.tx.ExecRows(step.statement, step.columns, step.args, step.tail); err != nil {
			return fmt.Errorf("%.30s: %w", step.statement, err)
		}
	}
	return nil
}
