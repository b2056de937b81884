package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/ledger"
)

const (
	// Whoever removes a dead server's orphans has its row; MySQL takes it from him
	// with his connection.
	lockDead = "SELECT incarnation FROM servers FORCE INDEX (servers_by_lease) WHERE state = 'dead' AND lease_until <= " +
		now + " - ? FOR UPDATE SKIP LOCKED"
	selectOrphans = `SELECT room, user, incarnation, connection FROM memberships FORCE INDEX (memberships_by_incarnation)
		WHERE incarnation IN %s LIMIT ?`
	insertDepartures = "INSERT INTO departures (room, user, users, version) VALUES %s"
	forgetServers    = "DELETE FROM servers WHERE incarnation IN %s"
	forgetBatches    = "DELETE FROM batches WHERE incarnation IN %s"
)

// DeleteOrphans implements store.Leases. It works on those dead servers that no
// other janitor is at; their rows go with their last orphan.
func (s *Store) DeleteOrphans(ctx context.Context, grace time.Duration, limit int) (store.Burial, error) {
	var burial store.Burial
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		burial = store.Burial{}
		dead, err := selected(ctx, tx, lockDead, grace.Milliseconds())
		if err != nil || len(dead) == 0 {
			return err
		}
		orphans, err := findOrphans(ctx, tx, dead, limit+1)
		if err != nil {
			return fmt.Errorf("find orphans: %w", err)
		}
		more := len(orphans) > limit
		if burial, err = bury(ctx, tx, orphans[:min(limit, len(orphans))], more); err != nil || more {
			return err
		}
		for _, forget := range []string{forgetServers, forgetBatches} {
			if err := execRows(ctx, tx, forget, tuples, 1, dead); err != nil {
				return fmt.Errorf("forget dead servers: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return store.Burial{}, unavailable(err, "delete orphans")
	}
	return burial, nil
}

// findOrphans reads memberships of the dead, which change no more.
func findOrphans(ctx context.Context, tx *sql.Tx, dead []any, limit int) (orphans []ledger.Membership, err error) {
	text, args := fmt.Sprintf(selectOrphans, tuples(len(dead), 1)), append(slices.Clip(dead), limit)
	err = query(ctx, tx, text, args, func(rows *sql.Rows) error {
		var m ledger.Membership
		err := rows.Scan(&m.Room, &m.User, &m.Incarnation, &m.Connection)
		orphans = append(orphans, m)
		return err
	})
	return orphans, err
}

// bury deletes memberships and keeps a departure for each presence that ended by it.
func bury(ctx context.Context, tx *sql.Tx, orphans []ledger.Membership, more bool) (store.Burial, error) {
	l, err := openLedger(ctx, tx, orphans)
	if err != nil {
		return store.Burial{}, err
	}
	departures := l.Bury(orphans)
	if err := execRows(ctx, tx, insertDepartures, values, 4, ledger.Args(departures)); err != nil {
		return store.Burial{}, fmt.Errorf("keep departures: %w", err)
	}
	difference := l.Difference()
	return difference.Burial(more), storeLedger(ctx, tx, difference)
}

// selected returns the incarnations that a query selects.
func selected(ctx context.Context, tx *sql.Tx, selection string, args ...any) (incarnations []any, err error) {
	err = query(ctx, tx, selection, args, func(rows *sql.Rows) error {
		var incarnation int64
		err := rows.Scan(&incarnation)
		incarnations = append(incarnations, incarnation)
		return err
	})
	return incarnations, err
}
