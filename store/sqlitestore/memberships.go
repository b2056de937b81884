package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/sqlite"
	"github.com/breakwater-chat/breakwater/store"
)

const (
	countOccupants = "SELECT users FROM room_counts WHERE room = ?"
	listOccupants  = `SELECT u.id, u.name, u.created_at, p.joined_at
		FROM presences p JOIN users u ON u.id = p.user
		WHERE p.room = ? AND p.user > ? ORDER BY p.user LIMIT ?`
)

// ApplyChanges implements store.Memberships.
func (s *Store) ApplyChanges(ctx context.Context, server store.Identity, batch []store.Change) ([]store.Outcome, error) {
	touched := make([]membership, len(batch))
	for i, c := range batch {
		touched[i] = membership{
			presence:    presence{room: c.Room, user: c.User},
			incarnation: server.Incarnation, connection: c.Connection,
		}
	}
	outcomes := make([]store.Outcome, len(batch))
	err := s.db.Do(ctx, func(tx *sqlite.Tx) error {
		if err := checkAlive(tx, server); err != nil {
			return err
		}
		l, err := openLedger(tx, touched)
		if err != nil {
			return err
		}
		for i, m := range touched {
			if batch[i].Leave {
				outcomes[i].Changed = l.leave(m)
			} else {
				outcomes[i].Changed = l.enter(m)
			}
		}
		for i, m := range touched {
			outcomes[i].Users, outcomes[i].Version = l.rooms[m.room].users, l.rooms[m.room].version
		}
		return l.store()
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

// checkAlive returns ErrFenced unless the incarnation is alive.
func checkAlive(tx *sqlite.Tx, server store.Identity) error {
	var one int
	err := tx.QueryRow("SELECT 1 FROM servers WHERE incarnation = ? AND id = ? AND state = 'live'",
		int64(server.Incarnation), string(server.Server)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrFenced
	}
	if err != nil {
		return fmt.Errorf("check the lease of server %s: %w", server.Server, err)
	}
	return nil
}
