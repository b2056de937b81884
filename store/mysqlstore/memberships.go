package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
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
	checkServer = "SELECT 1 FROM servers WHERE incarnation = ? AND id = ? AND state = 'live' FOR SHARE"
)

// ApplyChanges implements store.Memberships. Repeating a batch that was
// Unavailable brings the same memberships; whether one of its changes was the
// first or the last connection may have been told to nobody then.
func (s *Store) ApplyChanges(ctx context.Context, server store.Identity, batch []store.Change) ([]store.Outcome, error) {
	touched := make([]membership, len(batch))
	for i, c := range batch {
		touched[i] = membership{
			presence:    presence{room: c.Room, user: c.User},
			incarnation: server.Incarnation, connection: c.Connection,
		}
	}
	var outcomes []store.Outcome
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		l, err := openLedger(ctx, tx, touched)
		if err != nil {
			return err
		}
		// After the wait for rooms: who renews the lease waits for this lock.
		if err := checkAlive(ctx, tx, server); err != nil {
			return err
		}
		outcomes = make([]store.Outcome, len(batch))
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
		return l.store(ctx)
	})
	if err != nil {
		return nil, unavailable(err, "write memberships")
	}
	return outcomes, nil
}

// checkAlive returns ErrFenced unless the incarnation is alive.
func checkAlive(ctx context.Context, tx *sql.Tx, server store.Identity) error {
	var one int
	err := tx.QueryRowContext(ctx, checkServer, int64(server.Incarnation), string(server.Server)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrFenced
	}
	if err != nil {
		return fmt.Errorf("check the lease of server %s: %w", server.Server, err)
	}
	return nil
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
