package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"github.com/breakwater-chat/breakwater/internal/sqlite"
	"github.com/breakwater-chat/breakwater/store"
)

const (
	selectDepartures = `SELECT d.id, d.room, u.name, d.users, d.version,
			EXISTS (SELECT 1 FROM presences p WHERE p.room = d.room AND p.user = d.user)
		FROM departures d CROSS JOIN users u ON u.id = d.user
		WHERE d.claimed_until <= ` + now + " ORDER BY d.id LIMIT ?"
	claimDeparture   = "UPDATE departures SET claimed_until = " + now + " + ? WHERE id = ?"
	deleteDepartures = "DELETE FROM departures WHERE id IN (VALUES "
)

// ClaimDepartures implements store.Leases.
func (s *Store) ClaimDepartures(ctx context.Context, hold time.Duration, limit int) ([]store.Departure, error) {
	for {
		var gone []store.Departure
		var back []int64
		err := s.db.Do(ctx, func(tx *sqlite.Tx) (err error) {
			if gone, back, err = findDepartures(tx, limit); err != nil {
				return fmt.Errorf("find departures: %w", err)
			}
			for _, d := range gone {
				if _, err := tx.Exec(claimDeparture, hold.Milliseconds(), d.ID); err != nil {
					return err
				}
			}
			return tx.ExecRows(deleteDepartures, 1, ids(back), ")")
		})
		if err != nil {
			return nil, unavailable(err, "claim departures")
		}
		if len(gone) > 0 || len(back) == 0 {
			return gone, nil
		}
	}
}

// findDepartures returns those that nobody has claimed, and apart from them the
// ids of those whose users are back.
func findDepartures(tx *sqlite.Tx, limit int) (gone []store.Departure, back []int64, err error) {
	rows, err := tx.Query(selectDepartures, max(limit, 0))
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d store.Departure
		var isBack bool
		if err := rows.Scan(&d.ID, &d.Room, &d.User, &d.Users, &d.Version, &isBack); err != nil {
			return nil, nil, err
		}
		if isBack {
			back = append(back, d.ID)
		} else {
			gone = append(gone, d)
		}
	}
	return gone, back, rows.Err()
}

// ForgetDepartures implements store.Leases.
func (s *Store) ForgetDepartures(ctx context.Context, told []int64) error {
	err := s.db.Do(ctx, func(tx *sqlite.Tx) error { return tx.ExecRows(deleteDepartures, 1, ids(told), ")") })
	return unavailable(err, "forget departures")
}
