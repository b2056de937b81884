package elastic

import (
	"context"
	"fmt"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
)

// Search implements history.History. Newest first is the order of timestamps;
// within a room that is the order of its messages.
func (h *History) Search(ctx context.Context, q history.SearchQuery) (history.SearchResult, error) {
	at, err := parseCursor(q.Cursor)
	if err != nil {
		return history.SearchResult{}, err
	}
	var result history.SearchResult
	err = h.searches.pass(ctx, func(ctx context.Context) (err error) {
		result, err = h.search(ctx, q, at)
		return err
	})
	return result, err
}

func (h *History) search(ctx context.Context, q history.SearchQuery, at cursor) (history.SearchResult, error) {
	limit := max(q.Limit, 0)
	question := object{
		"query":            all(conditions(q)...),
		"sort":             []object{{"timestamp": "desc"}, {"chatroom": "desc"}, {"seq": "desc"}},
		"size":             limit + 1, // the one beyond tells whether there is more
		"track_total_hits": at.begins(),
	}
	if !at.begins() {
		question["search_after"] = []any{at.timestamp, at.room, at.seq}
	}
	answer, err := h.ask(ctx, question)
	if err != nil {
		return history.SearchResult{}, fmt.Errorf("search: %w", err)
	}
	if at.begins() {
		at.total = answer.Hits.Total.Value
	}
	result := history.SearchResult{Total: at.total}
	for i, m := range answer.messages() {
		if i == limit {
			result.Cursor = at.String()
			break
		}
		at.timestamp, at.room, at.seq = m.Timestamp, m.Room, m.Seq
		result.Hits = append(result.Hits, history.Hit{Message: m, Highlight: history.Highlight(m.Text, q.Terms)})
	}
	return result, nil
}

func conditions(q history.SearchQuery) []object {
	list := []object{}
	if q.Room != 0 {
		list = append(list, within("chatroom", q.Room, q.Room))
	}
	if q.User != "" {
		list = append(list, exactly("user", q.User))
	}
	if q.From != 0 {
		list = append(list, object{"range": object{"timestamp": object{"gte": q.From}}})
	}
	if q.To != 0 {
		list = append(list, object{"range": object{"timestamp": object{"lte": q.To}}})
	}
	for _, term := range q.Terms {
		switch len(term) {
		case 0:
		case 1:
			list = append(list, exactly("words", phrase(term)))
		default:
			list = append(list, object{"match_phrase": object{"words": phrase(term)}})
		}
	}
	return list
}

// cursor is where a search goes on: behind the message of that place, with the
// total that was counted at its beginning. New messages shift nothing, as they
// come before it.
type cursor struct {
	timestamp bw.Millis
	room      bw.RoomID
	seq       bw.Seq
	total     int
}

func (c cursor) begins() bool { return c == cursor{} }

func (c cursor) String() string {
	return fmt.Sprintf("%x.%x.%x.%x", c.timestamp, c.room, c.seq, c.total)
}

// parseCursor reads what String wrote, and nothing else; empty is the zero cursor.
func parseCursor(s string) (cursor, error) {
	var c cursor
	if s == "" {
		return c, nil
	}
	n, err := fmt.Sscanf(s, "%x.%x.%x.%x", &c.timestamp, &c.room, &c.seq, &c.total)
	if err != nil || n != 4 || c.String() != s || c.room < 1 || c.room > bw.MaxRoomID || c.seq < 1 || c.total < 1 {
		return cursor{}, bw.Errorf(bw.BadQuery, "the cursor is not one that a search returned")
	}
	return c, nil
}
