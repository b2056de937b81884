package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/breakwater-chat/breakwater/store"
)

const (
	selectDepartures = `SELECT STRAIGHT_JOIN d.id, d.room, u.name, d.users, d.version,
			EXISTS (SELECT 1 FROM presences p WHERE p.room = d.room AND p.user = d.user)
		FROM departures d FORCE INDEX (PRIMARY) JOIN users u ON u.id = d.user
		WHERE d.claimed_until <= ` + now + " ORDER BY d.id LIMIT ? FOR UPDATE OF d SKIP LOCKED"
	claimDepartures  = "UPDATE departures SET claimed_until = " + now + " + ? WHERE id IN %s"
	deleteDepartures = "DELETE FROM departures WHERE id IN %s"
)

// ClaimDepartures implements store.Leases. Those that another server claims at this
// moment are left to it.
func (s *Store) ClaimDepartures(ctx context.Context, hold time.Duration, limit int) ([]store.Departure, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for {
		var gone []store.Departure
		var back []int64
		err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
			if gone, back, err = findDepartures(ctx, tx, limit); err != nil {
				return fmt.Errorf("find departures: %w", err)
			}
			if err := execRows(ctx, tx, deleteDepartures, tuples, 1, ids(back)); err != nil || len(gone) == 0 {
				return err
			}
			args := []any{hold.Milliseconds()}
			for _, d := range gone {
				args = append(args, d.ID)
			}
			_, err = tx.ExecContext(ctx, fmt.Sprintf(claimDepartures, tuples(len(gone), 1)), args...)
			return err
		})
		if err != nil {
			return nil, unavailable(err, "claim departures")
		}
		if len(gone) > 0 || len(back) == 0 {
			return gone, nil
		}
	}
}

// findDepartures locks those that nobody has claimed, and returns apart from them
// the ids of those whose users are back.
func findDepartures(ctx context.Context, tx *sql.Tx, limit int) (gone []store.Departure, back []int64, err error) {
	err = query(ctx, tx, selectDepartures, []any{max(limit, 0)}, func(rows *sql.Rows) error {
		var d store.Departure
		var isBack bool
		err := rows.Scan(&d.ID, &d.Room, &d.User, &d.Users, &d.Version, &isBack)
		if isBack {
			back = append(back, d.ID)
		} else {
			gone = append(gone, d)
		}
		return err
	})
	return gone, back, err
}

// ForgetDepartures implements store.Leases.
func (s *Store) ForgetDepartures(ctx context.Context, told []int64) error {
	if len(told) == 0 {
		return nil
	}
	_, err := s.exec(ctx, fmt.Sprintf(deleteDepartures, tuples(len(told), 1)), ids(told)...)
	return unavailable(err, "forget departures")
}
