package sqlitefts

import (
	"context"
	"math"
	"slices"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
)

const (
	readAfter  = selectMessages + "WHERE room = ? AND seq > ? ORDER BY seq LIMIT ?"
	readBefore = selectMessages + "WHERE room = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
)

// ReadPage implements history.History.
func (d *DB) ReadPage(ctx context.Context, q history.PageQuery) (history.Page, error) {
	messages, err := d.readPage(ctx, q)
	if err != nil {
		return history.Page{}, unavailable(err, "read a page")
	}
	more := len(messages) > q.Limit
	if more {
		messages = messages[:q.Limit]
	}
	if q.After == 0 {
		slices.Reverse(messages)
	}
	return history.Page{Messages: messages, More: more}, nil
}

// readPage reads one message beyond the page, in the direction of the query.
func (d *DB) readPage(ctx context.Context, q history.PageQuery) ([]bw.Message, error) {
	limit := max(q.Limit, 0) + 1
	if q.After != 0 {
		return d.read(ctx, readAfter, int64(q.Room), int64(q.After), limit)
	}
	before := q.Before
	if before == 0 {
		before = math.MaxInt64
	}
	return d.read(ctx, readBefore, int64(q.Room), int64(before), limit)
}
