package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

const (
	insertServer = "INSERT INTO servers (id, lease_until, state) VALUES (?, " + now + " + ?, 'live')"
	// Whoever registers the same server at the same time is waited for: one of
	// them ends the other, or is rolled back and tries again. An update alone would
	// pass over what was not committed yet.
	selectOthers  = "SELECT incarnation FROM servers WHERE id = ? AND incarnation <> ? AND state = 'live' FOR UPDATE"
	killOthers    = "UPDATE servers SET state = 'dead' WHERE incarnation IN "
	renewLease    = "UPDATE servers SET lease_until = " + now + " + ? WHERE incarnation = ? AND id = ? AND state = 'live'"
	releaseLease  = "UPDATE servers SET state = 'dead' WHERE incarnation = ? AND id = ? AND state = 'live'"
	isOver        = "state = 'live' AND lease_until <= " + now
	selectOver    = "SELECT id, incarnation FROM servers WHERE " + isOver
	expireLease   = "UPDATE servers SET state = 'dead' WHERE incarnation = ? AND " + isOver
	selectOrphans = `SELECT STRAIGHT_JOIN m.room, m.user, m.incarnation, m.connection
		FROM servers s JOIN memberships m FORCE INDEX (memberships_by_incarnation) ON m.incarnation = s.incarnation
		WHERE s.state = 'dead' LIMIT ?`
	selectNames = "SELECT id, name FROM users WHERE id IN "
	// Apart from the deletion, which would lock the memberships that it looks at.
	selectBuried = `SELECT s.incarnation FROM servers s WHERE s.state = 'dead'
		AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.incarnation = s.incarnation)`
	forgetServers = "DELETE FROM servers WHERE incarnation IN "
)

// Register implements store.Leases.
func (s *Store) Register(ctx context.Context, server bw.ServerID, ttl time.Duration) (store.Identity, error) {
	var incarnation int64
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		made, err := tx.ExecContext(ctx, insertServer, string(server), ttl.Milliseconds())
		if err != nil {
			return err
		}
		if incarnation, err = made.LastInsertId(); err != nil {
			return err
		}
		if err = changeSelected(ctx, tx, killOthers, selectOthers, string(server), incarnation); err != nil {
			return fmt.Errorf("declare older incarnations dead: %w", err)
		}
		return nil
	})
	if err != nil {
		return store.Identity{}, unavailable(err, "register a server")
	}
	return store.Identity{Server: server, Incarnation: bw.Incarnation(incarnation)}, nil
}

// Renew implements store.Leases.
func (s *Store) Renew(ctx context.Context, id store.Identity, ttl time.Duration) error {
	found, err := s.exec(ctx, renewLease, ttl.Milliseconds(), int64(id.Incarnation), string(id.Server))
	if err == nil && found == 0 {
		err = store.ErrFenced
	}
	return unavailable(err, "renew a lease")
}

// Release implements store.Leases. Releasing a dead incarnation changes nothing.
func (s *Store) Release(ctx context.Context, id store.Identity) error {
	_, err := s.exec(ctx, releaseLease, int64(id.Incarnation), string(id.Server))
	return unavailable(err, "release a lease")
}

// ExpireLeases implements store.Leases. One that cannot be declared dead now, for
// a transaction of its server is still open, is left to the next call.
func (s *Store) ExpireLeases(ctx context.Context) ([]store.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var over, dead []store.Identity
	err := query(ctx, s.db, selectOver, nil, func(rows *sql.Rows) error {
		var id store.Identity
		err := rows.Scan(&id.Server, &id.Incarnation)
		over = append(over, id)
		return err
	})
	for i := 0; i < len(over) && err == nil; i++ {
		var died bool
		if died, err = s.expire(ctx, over[i]); died {
			dead = append(dead, over[i])
		}
	}
	if err != nil && len(dead) == 0 {
		return nil, unavailable(err, "expire leases")
	}
	return dead, nil // who died is told only once, so those are told in any case
}

// expire declares a server dead if its lease is over still.
func (s *Store) expire(ctx context.Context, id store.Identity) (died bool, err error) {
	done, err := s.db.ExecContext(ctx, expireLease, int64(id.Incarnation))
	if isError(err, errLockWait) || isError(err, errDeadlock) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	found, err := done.RowsAffected()
	return found > 0, err
}

// DeleteOrphans implements store.Leases. The rows of dead servers go with their
// last orphan.
func (s *Store) DeleteOrphans(ctx context.Context, limit int) ([]store.Departure, bool, error) {
	var departures []store.Departure
	var more bool
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		orphans, err := findOrphans(ctx, tx, limit+1)
		if err != nil {
			return fmt.Errorf("find orphans: %w", err)
		}
		more = len(orphans) > limit
		if departures, err = removeOrphans(ctx, tx, orphans[:min(limit, len(orphans))]); err != nil || more {
			return err
		}
		if err = changeSelected(ctx, tx, forgetServers, selectBuried); err != nil {
			return fmt.Errorf("forget dead servers: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, false, unavailable(err, "delete orphans")
	}
	return departures, more, nil
}

func findOrphans(ctx context.Context, tx *sql.Tx, limit int) (orphans []membership, err error) {
	err = query(ctx, tx, selectOrphans, []any{limit}, func(rows *sql.Rows) error {
		var m membership
		err := rows.Scan(&m.room, &m.user, &m.incarnation, &m.connection)
		orphans = append(orphans, m)
		return err
	})
	return orphans, err
}

// removeOrphans deletes memberships and says which presences ended by that. What
// another one has deleted since they were found, the ledger does not find.
func removeOrphans(ctx context.Context, tx *sql.Tx, orphans []membership) ([]store.Departure, error) {
	if len(orphans) == 0 {
		return nil, nil
	}
	l, err := openLedger(ctx, tx, orphans)
	if err != nil {
		return nil, err
	}
	var ended []presence
	for _, m := range orphans {
		if l.leave(m) {
			ended = append(ended, m.presence)
		}
	}
	names, err := userNames(ctx, tx, ended)
	if err != nil {
		return nil, fmt.Errorf("find the names of who left: %w", err)
	}
	departures := make([]store.Departure, len(ended))
	for i, p := range ended {
		room := l.rooms[p.room]
		departures[i] = store.Departure{Room: p.room, User: names[p.user], Users: room.users, Version: room.version}
	}
	return departures, l.store(ctx)
}

func userNames(ctx context.Context, tx *sql.Tx, of []presence) (map[bw.UserID]bw.Name, error) {
	names := make(map[bw.UserID]bw.Name, len(of))
	if len(of) == 0 {
		return names, nil
	}
	args := make([]any, len(of))
	for i, p := range of {
		args[i] = int64(p.user)
	}
	err := query(ctx, tx, selectNames+tuples(len(args), 1), args, func(rows *sql.Rows) error {
		var id bw.UserID
		var name bw.Name
		err := rows.Scan(&id, &name)
		names[id] = name
		return err
	})
	return names, err
}

// changeSelected runs a statement over those incarnations that a query selects.
func changeSelected(ctx context.Context, tx *sql.Tx, statement, selection string, args ...any) error {
	var selected []any
	err := query(ctx, tx, selection, args, func(rows *sql.Rows) error {
		var incarnation int64
		err := rows.Scan(&incarnation)
		selected = append(selected, incarnation)
		return err
	})
	if err == nil && len(selected) > 0 {
		_, err = tx.ExecContext(ctx, statement+tuples(len(selected), 1), selected...)
	}
	return err
}
