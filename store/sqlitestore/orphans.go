package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"github.com/breakwater-chat/breakwater/internal/sqlite"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/ledger"
)

const (
	isOver        = "s.state = 'dead' AND s.lease_until <= " + now + " - ?"
	selectOrphans = `SELECT m.room, m.user, m.incarnation, m.connection
		FROM servers s CROSS JOIN memberships m INDEXED BY memberships_by_incarnation ON m.incarnation = s.incarnation
		WHERE ` + isOver + " LIMIT ?"
	insertDepartures = "INSERT INTO departures (room, user, users, version) VALUES "
	// Time goes on between two statements: who has just become one of them has
	// memberships still.
	forgetServers = "DELETE FROM servers AS s WHERE " + isOver +
		" AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.incarnation = s.incarnation)"
	forgetBatches = "DELETE FROM batches WHERE incarnation NOT IN (SELECT incarnation FROM servers)"
)

// DeleteOrphans implements store.Leases. The rows of dead servers go with their
// last orphan.
func (s *Store) DeleteOrphans(ctx context.Context, grace time.Duration, limit int) (store.Burial, error) {
	var burial store.Burial
	err := s.db.Do(ctx, func(tx *sqlite.Tx) error {
		orphans, err := findOrphans(tx, grace, limit+1)
		if err != nil {
			return fmt.Errorf("find orphans: %w", err)
		}
		more := len(orphans) > limit
		if burial, err = bury(tx, orphans[:min(limit, len(orphans))], more); err != nil || more {
			return err
		}
		if _, err := tx.Exec(forgetServers, grace.Milliseconds()); err != nil {
			return fmt.Errorf("forget dead servers: %w", err)
		}
		_, err = tx.Exec(forgetBatches)
		return err
	})
	if err != nil {
		return store.Burial{}, unavailable(err, "delete orphans")
	}
	return burial, nil
}

func findOrphans(tx *sqlite.Tx, grace time.Duration, limit int) ([]ledger.Membership, error) {
	rows, err := tx.Query(selectOrphans, grace.Milliseconds(), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var orphans []ledger.Membership
	for rows.Next() {
		var m ledger.Membership
		if err := rows.Scan(&m.Room, &m.User, &m.Incarnation, &m.Connection); err != nil {
			return nil, err
		}
		orphans = append(orphans, m)
	}
	return orphans, rows.Err()
}

// bury deletes memberships and keeps a departure for each presence that ended by it.
func bury(tx *sqlite.Tx, orphans []ledger.Membership, more bool) (store.Burial, error) {
	l, err := openLedger(tx, orphans)
	if err != nil {
		return store.Burial{}, err
	}
	departures := l.Bury(orphans)
	if err := tx.ExecRows(insertDepartures, 4, ledger.Args(departures), ""); err != nil {
		return store.Burial{}, fmt.Errorf("keep departures: %w", err)
	}
	difference := l.Difference()
	return difference.Burial(more), storeLedger(tx, difference)
}
