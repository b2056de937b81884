package mysqlstore

import (
	"context"
	"database/sql"
	"errors"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

const (
	// A name that is taken costs no id: rooms have only 2^31 of them.
	insertRoom = `INSERT INTO rooms (name, created_at) SELECT ?, ` + now + `
		FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM rooms WHERE name = ?)`
	selectRooms = `SELECT r.id, r.name, r.created_at, COALESCE(c.users, 0)
		FROM rooms r LEFT JOIN room_counts c ON c.room = r.id `
	findRoom  = selectRooms + "WHERE r.id = ?"
	findName  = selectRooms + "WHERE r.name = ?"
	listRooms = selectRooms + "WHERE r.id > ? ORDER BY r.id LIMIT ?"
)

// CreateRoom implements store.Rooms.
func (s *Store) CreateRoom(ctx context.Context, name bw.Name) (bw.Room, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	made, err := s.exec(ctx, insertRoom, string(name), string(name))
	if err != nil {
		return bw.Room{}, unavailable(err, "create a room")
	}
	if made == 0 {
		return bw.Room{}, bw.Errorf(bw.NameTaken, "there is a room of this name already")
	}
	found, err := scanRoom(s.db.QueryRowContext(ctx, findName, string(name)))
	return found.Room, unavailable(err, "find a room that was made just now")
}

// FindRoom implements store.Rooms.
func (s *Store) FindRoom(ctx context.Context, id bw.RoomID) (store.RoomCount, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := scanRoom(s.db.QueryRowContext(ctx, findRoom, int64(id)))
	if errors.Is(err, sql.ErrNoRows) {
		return store.RoomCount{}, bw.Errorf(bw.NoSuchRoom, "there is no room %d", id)
	}
	return found, unavailable(err, "find a room")
}

// ListRooms implements store.Rooms.
func (s *Store) ListRooms(ctx context.Context, after bw.RoomID, limit int) ([]store.RoomCount, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var list []store.RoomCount
	err := query(ctx, s.db, listRooms, []any{int64(after), max(limit, 0)}, func(rows *sql.Rows) error {
		r, err := scanRoom(rows)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, unavailable(err, "list rooms")
	}
	return list, nil
}

func scanRoom(row interface{ Scan(into ...any) error }) (r store.RoomCount, err error) {
	err = row.Scan(&r.ID, &r.Name, &r.CreatedAt, &r.Users)
	return r, err
}
