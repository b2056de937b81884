package elastic

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
)

// maxSeq is above all seqs, and so far from the largest number that it can be added to.
const maxSeq bw.Seq = 1 << 62

// ReadPage implements history.History.
func (h *History) ReadPage(ctx context.Context, q history.PageQuery) (history.Page, error) {
	var page history.Page
	err := h.pages.pass(ctx, func(ctx context.Context) (err error) {
		page, err = h.readPage(ctx, q)
		return err
	})
	return page, err
}

func (h *History) readPage(ctx context.Context, q history.PageQuery) (page history.Page, err error) {
	limit := max(q.Limit, 0)
	var hits []bw.Message
	if q.After != 0 {
		hits, err = h.readAfter(ctx, q.Room, q.After, limit)
	} else {
		hits, err = h.readBefore(ctx, q.Room, q.Before, limit)
	}
	if err != nil {
		return history.Page{}, fmt.Errorf("read a page of room %d: %w", q.Room, err)
	}
	// The one beyond the page tells whether there is more.
	if len(hits) > limit {
		page.More, hits = true, hits[:limit]
	}
	if q.After == 0 {
		slices.Reverse(hits)
	}
	page.Messages = hits
	return page, nil
}

// readBefore reads the messages before a seq, or the newest, and one more; the
// newest first. That is the order in which the index is kept.
func (h *History) readBefore(ctx context.Context, room bw.RoomID, before bw.Seq, limit int) ([]bw.Message, error) {
	if before == 0 {
		before = maxSeq
	}
	return h.read(ctx, stretch(room, math.MinInt64, before-1, "desc", limit+1))
}

// readAfter reads the messages after a seq and one more, the oldest first. As the
// index is kept in the other order, looking for the lowest seqs would read the
// rest of the room. But seqs have no holes, except where a log was lost: as
// many of them as messages are wanted usually are those messages. Only where they
// are not, at the end of a room for instance, all that follows is looked at.
func (h *History) readAfter(ctx context.Context, room bw.RoomID, after bw.Seq, limit int) ([]bw.Message, error) {
	first := max(min(after, maxSeq)+1, 1)
	last := first + bw.Seq(limit)
	hits, err := h.read(ctx, stretch(room, first, last, "desc", limit+1))
	if err != nil {
		return nil, err
	}
	slices.Reverse(hits)
	if len(hits) > limit {
		return hits, nil
	}
	return h.read(ctx, stretch(room, first, math.MaxInt64, "asc", limit+1))
}

// read asks for one stretch.
func (h *History) read(ctx context.Context, stretch object) ([]bw.Message, error) {
	answer, err := h.ask(ctx, stretch)
	if err != nil {
		return nil, err
	}
	return answer.messages(), nil
}

// stretch asks for messages of a room that follow each other, from..to inclusive.
func stretch(room bw.RoomID, from, to bw.Seq, order string, size int) object {
	return object{
		"query":            all(within("chatroom", room, room), within("seq", from, to)),
		"sort":             []object{{"chatroom": "asc"}, {"seq": order}},
		"size":             size,
		"track_total_hits": false,
	}
}

// Newest implements history.Index. It makes everything visible first.
func (h *History) Newest(ctx context.Context, room bw.RoomID) (bw.Position, error) {
	var at bw.Position
	err := h.pages.pass(ctx, func(ctx context.Context) error {
		if err := h.Refresh(ctx); err != nil {
			return err
		}
		hits, err := h.readBefore(ctx, room, 0, 0)
		if err != nil {
			return fmt.Errorf("find the newest message of room %d: %w", room, err)
		}
		if len(hits) > 0 {
			at = hits[0].Position()
		}
		return nil
	})
	return at, err
}

// Refresh makes pages and searches show what was put before it.
func (h *History) Refresh(ctx context.Context) error {
	status, answer, err := h.client.Call(ctx, http.MethodPost, "/"+h.cfg.Prefix+"/_refresh?ignore_unavailable=true", nil)
	if err == nil && status != http.StatusOK {
		err = &statusError{status, string(answer)}
	}
	if err != nil {
		return fmt.Errorf("show what was put: %w", err)
	}
	return checkShards(answer)
}
