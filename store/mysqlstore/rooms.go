package mysqlstore

import (
	"context"
	"database/sql"
	"errors"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

const (
	insertRoom  = "INSERT INTO rooms (name, created_at) VALUES (?, " + now + ")"
	selectRooms = `SELECT r.id, r.name, r.created_at, COALESCE(c.users, 0)
		FROM rooms r LEFT JOIN room_counts c ON c.room = r.id `
	findRoom  = selectRooms + "WHERE r.id = ?"
	listRooms = selectRooms + "WHERE r.id > ? ORDER BY r.id LIMIT ?"
)

// CreateRoom implements store.Rooms.
func (s *Store) CreateRoom(ctx context.Context, name bw.Name) (bw.Room, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	made, err := s.db.ExecContext(ctx, insertRoom, string(name))
	if isError(err, errDuplicate) {
		return bw.Room{}, bw.Errorf(bw.NameTaken, "there is a room of this name already")
	}
	if err != nil {
		return bw.Room{}, unavailable(err, "create a room")
	}
	id, err := made.LastInsertId()
	if err != nil {
		return bw.Room{}, unavailable(err, "create a room")
	}
	room, err := s.FindRoom(ctx, bw.RoomID(id))
	return room.Room, err
}

// FindRoom implements store.Rooms.
func (s *Store) FindRoom(ctx context.Context, id bw.RoomID) (store.RoomCount, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var r store.RoomCount
	err := s.db.QueryRowContext(ctx, findRoom, int64(id)).Scan(&r.ID, &r.Name, &r.CreatedAt, &r.Users)
	if errors.Is(err, sql.ErrNoRows) {
		return store.RoomCount{}, bw.Errorf(bw.NoSuchRoom, "there is no room %d", id)
	}
	if err != nil {
		return store.RoomCount{}, unavailable(err, "find a room")
	}
	return r, nil
}

// ListRooms implements store.Rooms.
func (s *Store) ListRooms(ctx context.Context, after bw.RoomID, limit int) ([]store.RoomCount, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	rows, err := s.db.QueryContext(ctx, listRooms, int64(after), max(limit, 0))
	if err != nil {
		return nil, unavailable(err, "list rooms")
	}
	defer rows.Close()
	var list []store.RoomCount
	for rows.Next() {
		var r store.RoomCount
		if err := rows.Scan(&r.ID, &r.Name, &r.CreatedAt, &r.Users); err != nil {
			return nil, unavailable(err, "list rooms")
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, unavailable(err, "list rooms")
	}
	return list, nil
}
