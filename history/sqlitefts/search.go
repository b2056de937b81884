package sqlitefts

import (
	"context"
	"fmt"
	"slices"
	"strings"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
)

// maxSearches is how many searches run at once: each may take long, and the log
// has to have connections left that read what a send or a join asks for.
const maxSearches = 2

// Search implements history.History. Newest first is the order of arrival.
func (d *DB) Search(ctx context.Context, q history.SearchQuery) (history.SearchResult, error) {
	at, err := parseCursor(q.Cursor)
	if err != nil {
		return history.SearchResult{}, err
	}
	select {
	case d.searches <- struct{}{}:
		defer func() { <-d.searches }()
	case <-ctx.Done():
		return history.SearchResult{}, unavailable(ctx.Err(), "wait for other searches")
	}
	if at == (cursor{}) {
		if err := d.indexer.catchUp(ctx); err != nil {
			return history.SearchResult{}, unavailable(err, "bring the search index up to date")
		}
		if err := d.db.QueryRow(ctx, selectIndexed).Scan(&at.newest); err != nil {
			return history.SearchResult{}, unavailable(err, "find the newest indexed message")
		}
		at.next = at.newest + 1
		at.total = -1
	}
	result, err := d.search(ctx, q, at)
	return result, unavailable(err, "search")
}

func (d *DB) search(ctx context.Context, q history.SearchQuery, at cursor) (history.SearchResult, error) {
	var result history.SearchResult
	f := newFilter(q)
	if at.total < 0 {
		err := d.db.QueryRow(ctx, "SELECT count(*) "+f.from+f.where, f.with(at.newest)...).Scan(&at.total)
		if err != nil {
			return result, fmt.Errorf("count: %w", err)
		}
	}
	result.Total = at.total
	limit := max(q.Limit, 0)
	rows, err := d.db.Query(ctx, "SELECT m.arrival, m.room, m.epoch, m.seq, m.id, m.user, m.text, m.timestamp "+
		f.withMessages().from+f.where+" ORDER BY "+f.arrival+" DESC LIMIT ?", f.with(at.next-1, limit+1)...)
	if err != nil {
		return result, fmt.Errorf("find: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if len(result.Hits) == limit {
			result.Cursor = at.String()
			break
		}
		var h history.Hit
		if err := rows.Scan(append([]any{&at.next}, fields(&h.Message)...)...); err != nil {
			return result, fmt.Errorf("read a hit: %w", err)
		}
		h.Highlight = history.Highlight(h.Text, q.Terms)
		result.Hits = append(result.Hits, h)
	}
	return result, rows.Err()
}

// filter is the part that the count and the hits of a search share. Its texts
// are few, whatever is asked for: values are in args.
type filter struct {
	from, where string
	// arrival names the column by which hits are ordered; the last argument,
	// which the caller adds, bounds it.
	arrival string
	args    []any
	indexed bool
}

func newFilter(q history.SearchQuery) filter {
	f := filter{from: "FROM messages m ", arrival: "m.arrival"}
	var conditions []string
	if match := matchExpression(q); match != "" {
		f.indexed, f.from, f.arrival = true, "FROM word_index w ", "w.rowid"
		conditions = append(conditions, "word_index MATCH ?")
		f.args = append(f.args, match)
	}
	if q.From != 0 {
		conditions = append(conditions, "m.timestamp >= ?")
		f.args = append(f.args, int64(q.From))
	}
	if q.To != 0 {
		conditions = append(conditions, "m.timestamp <= ?")
		f.args = append(f.args, int64(q.To))
	}
	if q.From != 0 || q.To != 0 {
		f = f.withMessages()
	}
	f.where = "WHERE " + strings.Join(append(conditions, f.arrival+" <= ?"), " AND ")
	return f
}

// withMessages joins the messages to the index. CROSS keeps SQLite from
// scanning the messages first.
func (f filter) withMessages() filter {
	if f.indexed {
		f.from = "FROM word_index w CROSS JOIN messages m ON m.arrival = w.rowid "
	}
	return f
}

// with adds the last arguments of a query.
func (f filter) with(args ...any) []any { return slices.Concat(f.args, args) }

// matchExpression says in the language of FTS5 what a search asks for, but for
// its times (https://www.sqlite.org/fts5.html#full_text_query_syntax). Words
// have no quotes in them.
func matchExpression(q history.SearchQuery) string {
	var all []string
	if q.Room != 0 {
		all = append(all, "scope : "+quote(roomWord(q.Room)))
	}
	if q.User != "" {
		all = append(all, "scope : "+quote(userWord(q.User)))
	}
	for _, term := range q.Terms {
		if len(term) > 0 {
			all = append(all, "words : "+quote(strings.Join(term, " ")))
		}
	}
	return strings.Join(all, " AND ")
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// cursor is where a search goes on: before the message that arrived as next,
// among those up to newest, so that new messages neither shift a page nor
// change the total, which is counted once.
type cursor struct {
	newest, next int64
	total        int
}

func (c cursor) String() string { return fmt.Sprintf("%x.%x.%x", c.newest, c.next, c.total) }

// parseCursor reads what String wrote, and nothing else; empty is the zero cursor.
func parseCursor(s string) (cursor, error) {
	var c cursor
	if s == "" {
		return c, nil
	}
	n, err := fmt.Sscanf(s, "%x.%x.%x", &c.newest, &c.next, &c.total)
	if err != nil || n != 3 || c.String() != s || c.next < 1 || c.newest < c.next || c.total < 0 {
		return cursor{}, bw.Errorf(bw.BadQuery, "the cursor is not one that a search returned")
	}
	return c, nil
}
