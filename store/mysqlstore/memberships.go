package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/ledger"
)

const (
	// One query, so that the count, in the row whose id is 0, and the users are
	// those of one moment.
	listOccupants = `SELECT users, 0 AS id, '' AS name, 0 AS created_at, 0 AS joined_at FROM room_counts WHERE room = ?
		UNION ALL (SELECT 0, u.id, u.name, u.created_at, p.joined_at
			FROM presences p JOIN users u ON u.id = p.user
			WHERE p.room = ? AND p.user > ? ORDER BY p.user LIMIT ?)
		ORDER BY id`
	// A life that is looked at cannot end before the transaction has.
	selectLastBatch = `SELECT COALESCE(b.number, 0), b.changed FROM servers s LEFT JOIN batches b ON b.incarnation = s.incarnation
		WHERE s.incarnation = ? AND s.id = ? AND s.state = 'live' FOR SHARE OF s`
	replaceBatch = `INSERT INTO batches (incarnation, number, changed) VALUES (?, ?, ?)
		ON DUPLICATE KEY UPDATE number = VALUES(number), changed = VALUES(changed)`
)

// ApplyChanges implements store.Memberships. A batch that is sent again while it
// is under way still waits for the same rooms, and finds what became of it.
func (s *Store) ApplyChanges(ctx context.Context, server store.Identity, number int64, changes []store.Change) ([]store.Outcome, error) {
	batch := ledger.Batch{Incarnation: server.Incarnation, Number: number, Changes: changes}
	var outcomes []store.Outcome
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		l, err := openLedger(ctx, tx, batch.Memberships())
		if err != nil {
			return err
		}
		// After the wait for rooms: who renews the lease waits for this lock.
		last, err := lastBatch(ctx, tx, server)
		if err != nil {
			return err
		}
		var record ledger.Record
		if outcomes, record, err = l.Apply(batch, last); err != nil || record.Number == last.Number {
			return err
		}
		if err := storeLedger(ctx, tx, l.Difference()); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, replaceBatch, int64(server.Incarnation), record.Number, record.Changed)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "write memberships")
	}
	return outcomes, nil
}

// lastBatch returns what is kept of the incarnation's last batch. ErrFenced
// unless it is alive.
func lastBatch(ctx context.Context, tx *sql.Tx, server store.Identity) (last ledger.Record, err error) {
	err = tx.QueryRowContext(ctx, selectLastBatch, int64(server.Incarnation), string(server.Server)).Scan(&last.Number, &last.Changed)
	if errors.Is(err, sql.ErrNoRows) {
		return last, store.ErrFenced
	}
	if err != nil {
		return last, fmt.Errorf("look for server %s: %w", server.Server, err)
	}
	return last, nil
}

// ListOccupants implements store.Memberships.
func (s *Store) ListOccupants(ctx context.Context, room bw.RoomID, after bw.UserID, limit int) (store.Occupants, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var o store.Occupants
	args := []any{int64(room), int64(room), int64(after), max(limit, 0)}
	err := query(ctx, s.db, listOccupants, args, func(rows *sql.Rows) error {
		var count int
		var u store.Occupant
		if err := rows.Scan(&count, &u.ID, &u.Name, &u.CreatedAt, &u.JoinedAt); err != nil {
			return err
		}
		if u.ID == 0 {
			o.Count = count
		} else {
			o.Users = append(o.Users, u)
		}
		return nil
	})
	if err != nil {
		return store.Occupants{}, unavailable(err, "list occupants")
	}
	return o, nil
}
