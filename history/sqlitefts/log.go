package sqlitefts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/sqlite"
)

const (
	insertMessage = "INSERT INTO messages (room, epoch, seq, id, user, text, timestamp) VALUES (?, ?, ?, ?, ?, ?, ?)"
	newestMessage = "SELECT epoch, seq, timestamp FROM messages WHERE room = ? ORDER BY seq DESC LIMIT 1"
	selectEpoch   = "SELECT epoch FROM logs WHERE room = ?"
	insertEpoch   = "INSERT INTO logs (room, epoch) VALUES (?, ?) ON CONFLICT (room) DO NOTHING"

	selectMessages = "SELECT room, epoch, seq, id, user, text, timestamp FROM messages "
	findSend       = selectMessages + "WHERE room = ? AND user = ? AND id = ? AND timestamp >= ? ORDER BY arrival DESC LIMIT 1"
)

// Commit stores a batch, all or nothing; it is on disk when Commit returns nil.
// The batch is read until then and never kept. After an error it may have been
// stored or not.
func (d *DB) Commit(ctx context.Context, batch []bw.Message) error {
	err := d.db.Do(ctx, func(tx *sqlite.Tx) error {
		for i := range batch {
			m := &batch[i]
			_, err := tx.Exec(insertMessage, int64(m.Room), int64(m.Epoch), int64(m.Seq),
				string(m.ID), string(m.User), m.Text, int64(m.Timestamp))
			if err != nil {
				return fmt.Errorf("store message %d of room %d: %w", m.Seq, m.Room, err)
			}
		}
		return nil
	})
	if err != nil {
		return unavailable(err, "commit messages")
	}
	d.indexer.wake()
	return nil
}

// Head returns a room's newest position and that message's timestamp. A room
// without a log is given one: its epoch is on disk when Head returns, its seq 0.
func (d *DB) Head(ctx context.Context, room bw.RoomID) (bw.Position, bw.Millis, error) {
	pos, last, err := d.head(ctx, room)
	if err != nil || pos.Epoch != 0 {
		return pos, last, unavailable(err, "read a room's head")
	}
	began := bw.MillisOf(time.Now())
	err = d.db.Do(ctx, func(tx *sqlite.Tx) error {
		if _, err := tx.Exec(insertEpoch, int64(room), int64(began)); err != nil {
			return err
		}
		return tx.QueryRow(selectEpoch, int64(room)).Scan(&pos.Epoch)
	})
	return pos, last, unavailable(err, "begin a room's log")
}

// head reads what is known of a room; epoch 0 if nothing is.
func (d *DB) head(ctx context.Context, room bw.RoomID) (pos bw.Position, last bw.Millis, err error) {
	var began bw.Epoch
	err = d.db.QueryRow(ctx, selectEpoch, int64(room)).Scan(&began)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return pos, 0, err
	}
	err = d.db.QueryRow(ctx, newestMessage, int64(room)).Scan(&pos.Epoch, &pos.Seq, &last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return bw.Position{}, 0, err
	}
	pos.Epoch = max(pos.Epoch, began)
	return pos, last, nil
}

// FindSend finds the newest message that the user sent to the room under that
// id at or after since.
func (d *DB) FindSend(ctx context.Context, room bw.RoomID, user bw.Name, id bw.MessageID, since bw.Millis) (bw.Message, bool, error) {
	var m bw.Message
	err := d.db.QueryRow(ctx, findSend, int64(room), string(user), string(id), int64(since)).Scan(fields(&m)...)
	if errors.Is(err, sql.ErrNoRows) {
		return bw.Message{}, false, nil
	}
	if err != nil {
		return bw.Message{}, false, unavailable(err, "find a message by its id")
	}
	return m, true, nil
}

// ReadAfter reads up to limit messages with a larger seq, in ascending order.
func (d *DB) ReadAfter(ctx context.Context, room bw.RoomID, after bw.Seq, limit int) ([]bw.Message, error) {
	messages, err := d.read(ctx, readAfter, int64(room), int64(after), max(limit, 0))
	return messages, unavailable(err, "read a room's log")
}

// read runs a query for messages.
func (d *DB) read(ctx context.Context, query string, args ...any) ([]bw.Message, error) {
	rows, err := d.db.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var messages []bw.Message
	for rows.Next() {
		var m bw.Message
		if err := rows.Scan(fields(&m)...); err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, rows.Err()
}

// fields are where the columns of selectMessages go.
func fields(m *bw.Message) []any {
	return []any{&m.Room, &m.Epoch, &m.Seq, &m.ID, &m.User, &m.Text, &m.Timestamp}
}
