package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/sqlite"
	"github.com/breakwater-chat/breakwater/store"
)

const (
	killServer    = "UPDATE servers SET state = 'dead' WHERE id = ? AND state = 'live'"
	insertServer  = "INSERT INTO servers (id, lease_until, state) VALUES (?, " + now + " + ?, 'live') RETURNING incarnation"
	renewLease    = "UPDATE servers SET lease_until = " + now + " + ? WHERE incarnation = ? AND id = ? AND state = 'live'"
	releaseLease  = "UPDATE servers SET state = 'dead' WHERE incarnation = ? AND id = ? AND state = 'live'"
	expireLeases  = "UPDATE servers SET state = 'dead' WHERE state = 'live' AND lease_until <= " + now + " RETURNING id, incarnation"
	selectOrphans = `SELECT m.room, m.user, m.incarnation, m.connection
		FROM servers s CROSS JOIN memberships m INDEXED BY memberships_by_incarnation ON m.incarnation = s.incarnation
		WHERE s.state = 'dead' LIMIT ?`
	selectNames  = "SELECT u.id, u.name FROM given g CROSS JOIN users u ON u.id = g.user"
	forgetServer = `DELETE FROM servers WHERE state = 'dead'
		AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.incarnation = servers.incarnation)`
)

// Register implements store.Leases.
func (s *Store) Register(ctx context.Context, server bw.ServerID, ttl time.Duration) (store.Identity, error) {
	id := store.Identity{Server: server}
	err := s.db.Do(ctx, func(tx *sqlite.Tx) error {
		if _, err := tx.Exec(killServer, string(server)); err != nil {
			return fmt.Errorf("declare older incarnations dead: %w", err)
		}
		return tx.QueryRow(insertServer, string(server), ttl.Milliseconds()).Scan(&id.Incarnation)
	})
	if err != nil {
		return store.Identity{}, unavailable(err, "register a server")
	}
	return id, nil
}

// Renew implements store.Leases.
func (s *Store) Renew(ctx context.Context, id store.Identity, ttl time.Duration) error {
	err := s.db.Do(ctx, func(tx *sqlite.Tx) error {
		result, err := tx.Exec(renewLease, ttl.Milliseconds(), int64(id.Incarnation), string(id.Server))
		if err != nil {
			return err
		}
		changed, err := result.RowsAffected()
		if err == nil && changed == 0 {
			return store.ErrFenced
		}
		return err
	})
	return unavailable(err, "renew a lease")
}

// Release implements store.Leases. Releasing a dead incarnation changes nothing.
func (s *Store) Release(ctx context.Context, id store.Identity) error {
	err := s.db.Do(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(releaseLease, int64(id.Incarnation), string(id.Server))
		return err
	})
	return unavailable(err, "release a lease")
}

// ExpireLeases implements store.Leases.
func (s *Store) ExpireLeases(ctx context.Context) ([]store.Identity, error) {
	var dead []store.Identity
	err := s.db.Do(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(expireLeases)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id store.Identity
			if err := rows.Scan(&id.Server, &id.Incarnation); err != nil {
				return err
			}
			dead = append(dead, id)
		}
		return rows.Err()
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
	err := s.db.Do(ctx, func(tx *sqlite.Tx) error {
		orphans, err := findOrphans(tx, limit+1)
		if err != nil {
			return fmt.Errorf("find orphans: %w", err)
		}
		more = len(orphans) > limit
		if departures, err = removeOrphans(tx, orphans[:min(limit, len(orphans))]); err != nil || more {
			return err
		}
		_, err = tx.Exec(forgetServer)
		return err
	})
	if err != nil {
		return nil, false, unavailable(err, "delete orphans")
	}
	return departures, more, nil
}

func findOrphans(tx *sqlite.Tx, limit int) ([]membership, error) {
	rows, err := tx.Query(selectOrphans, limit)
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

// removeOrphans deletes memberships and says which presences ended by that.
func removeOrphans(tx *sqlite.Tx, orphans []membership) ([]store.Departure, error) {
	if len(orphans) == 0 {
		return nil, nil
	}
	l, err := openLedger(tx, orphans)
	if err != nil {
		return nil, err
	}
	var ended []presence
	for _, m := range orphans {
		if l.leave(m) {
			ended = append(ended, m.presence)
		}
	}
	names, err := userNames(tx, ended)
	if err != nil {
		return nil, fmt.Errorf("find the names of who left: %w", err)
	}
	departures := make([]store.Departure, len(ended))
	for i, p := range ended {
		room := l.rooms[p.room]
		departures[i] = store.Departure{Room: p.room, User: names[p.user], Users: room.users, Version: room.version}
	}
	return departures, l.store()
}

func userNames(tx *sqlite.Tx, of []presence) (map[bw.UserID]bw.Name, error) {
	names := make(map[bw.UserID]bw.Name, len(of))
	args := make([]any, len(of))
	for i, p := range of {
		args[i] = int64(p.user)
	}
	err := tx.QueryRows([]string{"user"}, args, selectNames, func(rows *sql.Rows) error {
		var id bw.UserID
		var name bw.Name
		err := rows.Scan(&id, &name)
		names[id] = name
		return err
	})
	return names, err
}
