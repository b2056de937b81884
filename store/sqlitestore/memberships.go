package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/sqlite"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/ledger"
)

const (
	countOccupants = "SELECT users FROM room_counts WHERE room = ?"
	listOccupants  = `SELECT u.id, u.name, u.created_at, p.joined_at
		FROM presences p JOIN users u ON u.id = p.user
		WHERE p.room = ? AND p.user > ? ORDER BY p.user LIMIT ?`
	selectLastBatch = `SELECT COALESCE(b.number, 0), b.changed FROM servers s LEFT JOIN batches b ON b.incarnation = s.incarnation
		WHERE s.incarnation = ? AND s.id = ? AND s.state = 'live'`
	replaceBatch = "REPLACE INTO batches (incarnation, number, changed) VALUES (?, ?, ?)"
)

// ApplyChanges implements store.Memberships.
func (s *Store) ApplyChanges(ctx context.Context, server store.Identity, number int64, changes []store.Change) ([]store.Outcome, error) {
	batch := ledger.Batch{Incarnation: server.Incarnation, Number: number, Changes: changes}
	var outcomes []store.Outcome
	err := s.db.Do(ctx, func(tx *sqlite.Tx) error {
		last, err := lastBatch(tx, server)
		if err != nil {
			return err
		}
		l, err := openLedger(tx, batch.Memberships())
		if err != nil {
			return err
		}
		var record ledger.Record
		if outcomes, record, err = l.Apply(batch, last); err != nil || record.Number == last.Number {
			return err
		}
		if err := storeLedger(tx, l.Difference()); err != nil {
			return err
		}
		_, err = tx.Exec(replaceBatch, int64(server.Incarnation), record.Number, record.Changed)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "write memberships")
	}
	return outcomes, nil
}

// ListOccupants implements store.Memberships.
func (s *Store) ListOccupants(ctx context.Context, room bw.RoomID, after bw.UserID, limit int) (store.Occupants, error) {
	var o store.Occupants
	err := s.db.QueryRow(ctx, countOccupants, int64(room)).Scan(&o.Count)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return store.Occupants{}, unavailable(err, "count occupants")
	}
	rows, err := s.db.Query(ctx, listOccupants, int64(room), int64(after), max(limit, 0))
	if err != nil {
		return store.Occupants{}, unavailable(err, "list occupants")
	}
	defer rows.Close()
	for rows.Next() {
		var u store.Occupant
		if err := rows.Scan(&u.ID, &u.Name, &u.CreatedAt, &u.JoinedAt); err != nil {
			return store.Occupants{}, unavailable(err, "list occupants")
		}
		o.Users = append(o.Users, u)
	}
	if err := rows.Err(); err != nil {
		return store.Occupants{}, unavailable(err, "list occupants")
	}
	return o, nil
}

// lastBatch returns what is kept of the incarnation's last batch. ErrFenced
// unless it is alive.
func lastBatch(tx *sqlite.Tx, server store.Identity) (last ledger.Record, err error) {
	err = tx.QueryRow(selectLastBatch, int64(server.Incarnation), string(server.Server)).Scan(&last.Number, &last.Changed)
	if errors.Is(err, sql.ErrNoRows) {
		return last, store.ErrFenced
	}
	if err != nil {
		return last, fmt.Errorf("look for server %s: %w", server.Server, err)
	}
	return last, nil
}
