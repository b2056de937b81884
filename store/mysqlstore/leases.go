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
	killServer   = "UPDATE servers SET state = 'dead' WHERE id = ? AND state = 'live'"
	insertServer = "INSERT INTO servers (id, lease_until, state) VALUES (?, " + now + " + ?, 'live')"
	renewLease   = "UPDATE servers SET lease_until = " + now + " + ? WHERE incarnation = ? AND id = ? AND state = 'live'"
	releaseLease = "UPDATE servers SET state = 'dead' WHERE incarnation = ? AND id = ? AND state = 'live'"
	// Others may be declaring the same ones dead: those are theirs.
	expiredServers = "SELECT id, incarnation FROM servers WHERE state = 'live' AND lease_until <= " + now + " FOR UPDATE SKIP LOCKED"
	killLife       = "UPDATE servers SET state = 'dead' WHERE incarnation IN "
	selectOrphans  = `SELECT m.room, m.user, m.incarnation, m.connection
		FROM servers s JOIN memberships m ON m.incarnation = s.incarnation
		WHERE s.state = 'dead' LIMIT ?`
	selectNames  = "SELECT id, name FROM users WHERE id IN "
	forgetServer = `DELETE FROM servers WHERE state = 'dead'
		AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.incarnation = servers.incarnation)`
)

// Register implements store.Leases.
func (s *Store) Register(ctx context.Context, server bw.ServerID, ttl time.Duration) (store.Identity, error) {
	id := store.Identity{Server: server}
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, killServer, string(server)); err != nil {
			return fmt.Errorf("declare older incarnations dead: %w", err)
		}
		made, err := tx.ExecContext(ctx, insertServer, string(server), ttl.Milliseconds())
		if err != nil {
			return err
		}
		incarnation, err := made.LastInsertId()
		id.Incarnation = bw.Incarnation(incarnation)
		return err
	})
	if err != nil {
		return store.Identity{}, unavailable(err, "register a server")
	}
	return id, nil
}

// Renew implements store.Leases.
func (s *Store) Renew(ctx context.Context, id store.Identity, ttl time.Duration) error {
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		renewed, err := tx.ExecContext(ctx, renewLease, ttl.Milliseconds(), int64(id.Incarnation), string(id.Server))
		if err != nil {
			return err
		}
		found, err := renewed.RowsAffected()
		if err == nil && found == 0 {
			return store.ErrFenced
		}
		return err
	})
	return unavailable(err, "renew a lease")
}

// Release implements store.Leases. Releasing a dead incarnation changes nothing.
func (s *Store) Release(ctx context.Context, id store.Identity) error {
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, releaseLease, int64(id.Incarnation), string(id.Server))
		return err
	})
	return unavailable(err, "release a lease")
}

// ExpireLeases implements store.Leases.
func (s *Store) ExpireLeases(ctx context.Context) ([]store.Identity, error) {
	var dead []store.Identity
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		dead = nil
		rows, err := tx.QueryContext(ctx, expiredServers)
		if err != nil {
			return err
		}
		defer rows.Close()
		var lives []any
		for rows.Next() {
			var id store.Identity
			if err := rows.Scan(&id.Server, &id.Incarnation); err != nil {
				return err
			}
			dead, lives = append(dead, id), append(lives, int64(id.Incarnation))
		}
		if err := rows.Err(); err != nil || len(lives) == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, killLife+tuples(len(lives), 1), lives...)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "expire leases")
	}
	return dead, nil
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
		_, err = tx.ExecContext(ctx, forgetServer)
		return err
	})
	if err != nil {
		return nil, false, unavailable(err, "delete orphans")
	}
	return departures, more, nil
}

func findOrphans(ctx context.Context, tx *sql.Tx, limit int) ([]membership, error) {
	rows, err := tx.QueryContext(ctx, selectOrphans, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var orphans []membership
	for rows.Next() {
		var m membership
		if err := rows.Scan(&m.room, &m.user, &m.incarnation, &m.connection); err != nil {
			return nil, err
		}
		orphans = append(orphans, m)
	}
	return orphans, rows.Err()
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
	rows, err := tx.QueryContext(ctx, selectNames+tuples(len(args), 1), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id bw.UserID
		var name bw.Name
		if err := rows.Scan(&id, &name); err != nil {
			return nil, err
		}
		names[id] = name
	}
	return names, rows.Err()
}
