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

// ReadPage implements history.History.
func (h *History) ReadPage(ctx context.Context, q history.PageQuery) (history.Page, error) {
	var page history.Page
	err := h.pages.pass(ctx, func(ctx context.Context) (err error) {
		page, err = h.readPage(ctx, q)
		return err
	})
	return page, err
}

func (h *History) readPage(ctx context.Context, q history.PageQuery) (history.Page, error) {
	limit := max(q.Limit, 0)
	from, to, order := bw.Seq(math.MinInt64), bw.Seq(math.MaxInt64), "desc"
	switch {
	case q.After != 0:
		from, order = q.After+1, "asc"
	case q.Before != 0:
		to = q.Before - 1
	}
	// The one beyond the page tells whether there is more. The newest message
	// tells the room's epoch.
	questions := []object{h.stretch(q.Room, from, to, order, limit+1)}
	if order == "asc" || q.Before != 0 {
		questions = append(questions, h.newest(q.Room))
	}
	answers, err := h.ask(ctx, questions...)
	if err != nil {
		return history.Page{}, fmt.Errorf("read a page of room %d: %w", q.Room, err)
	}
	var page history.Page
	if newest := answers[len(answers)-1].Hits.Hits; len(newest) > 0 {
		page.Epoch = newest[0].Source.Epoch
	}
	hits := answers[0].Hits.Hits
	if len(hits) > limit {
		page.More, hits = true, hits[:limit]
	}
	for i := range hits {
		page.Messages = append(page.Messages, hits[i].Source.message())
	}
	if order == "desc" {
		slices.Reverse(page.Messages)
	}
	return page, nil
}

// stretch asks for messages of a room that follow each other, from..to inclusive.
func (h *History) stretch(room bw.RoomID, from, to bw.Seq, order string, size int) object {
	return object{
		"query":            all(within("chatroom", room, room), within("seq", from, to)),
		"sort":             []object{{"chatroom": "asc"}, {"seq": order}},
		"size":             size,
		"track_total_hits": false,
	}
}

func (h *History) newest(room bw.RoomID) object {
	return h.stretch(room, math.MinInt64, math.MaxInt64, "desc", 1)
}

// Newest implements history.Index. It makes everything visible first.
func (h *History) Newest(ctx context.Context, room bw.RoomID) (bw.Position, error) {
	var at bw.Position
	err := h.pages.pass(ctx, func(ctx context.Context) error {
		if err := h.Refresh(ctx); err != nil {
			return err
		}
		answers, err := h.ask(ctx, h.newest(room))
		if err != nil {
			return fmt.Errorf("find the newest message of room %d: %w", room, err)
		}
		if hits := answers[0].Hits.Hits; len(hits) > 0 {
			m := hits[0].Source.message()
			at = m.Position()
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
