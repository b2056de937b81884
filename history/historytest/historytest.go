// Package historytest holds the suite that every implementation of
// history.History has to pass.
package historytest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
)

// Subject is an implementation under test, over an empty log.
type Subject struct {
	history.History
	// Commit puts messages into the log behind the history, in the order of the
	// slice; when it returns nil, pages and searches that begin show them.
	Commit func(batch []bw.Message) error
}

// Run checks an implementation. open returns an empty one and closes it when
// the test ends.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, *suite)
	}{
		{"pages", testPages},
		{"page sizes", testPageSizes},
		{"a hole between epochs", testEpochs},
		{"an unknown room", testUnknownRoom},
		{"walking a long room", testWalk},
		{"what was committed is read as it is", testFidelity},
		{"search by words", testSearchWords},
		{"search by filters", testSearchFilters},
		{"search order and pages", testSearchPages},
		{"search pages while messages arrive", testSearchCursorIsStable},
		{"search cursors that are none", testBadCursors},
		{"highlight", testHighlight},
		{"a context that has ended", testEndedContext},
		{"a context that ends in the middle", testContextEnds},
		{"health", func(t *testing.T, s *suite) {
			if err := s.Healthy(t.Context()); err != nil {
				t.Errorf("Healthy: %v", err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, &suite{Subject: open(t), clock: begin, epoch: 7}) })
	}
}

// testEndedContext asks when nobody waits for the answer any more.
func testEndedContext(t *testing.T, s *suite) {
	s.fill(t, 1, 10)
	first := history.SearchQuery{Room: 1, Terms: terms(t, "message"), Limit: 5}
	next := first
	next.Cursor = s.search(t, first).Cursor
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	for name, ctx := range map[string]context.Context{"canceled": canceled, "expired": expired} {
		p, page := s.ReadPage(ctx, history.PageQuery{Room: 1, Limit: 5})
		r, search := s.Search(ctx, first)
		n, more := s.Search(ctx, next)
		for what, err := range map[string]error{"ReadPage": page, "Search": search, "Search for more": more} {
			if bw.KindOf(err) != bw.Unavailable {
				t.Errorf("%s, %s: got error %v, want unavailable", what, name, err)
			}
		}
		if len(p.Messages)+len(r.Hits)+len(n.Hits) != 0 {
			t.Errorf("%s: got %+v, %+v and %+v beside the errors, want nothing", name, p, r, n)
		}
	}
	// It ended for those who asked, and for nobody else.
	if got := s.page(t, history.PageQuery{Room: 1, Limit: 5}); len(got.Messages) != 5 {
		t.Errorf("afterwards: got a page of %d messages, want 5", len(got.Messages))
	}
	if got := s.search(t, first); got.Total != 10 {
		t.Errorf("afterwards: got total %d, want 10", got.Total)
	}
}

// testContextEnds gives up on reads at every moment. An answer without an error
// is a whole one.
func testContextEnds(t *testing.T, s *suite) {
	const size, rounds, step = 500, 100, 50 * time.Microsecond
	s.fill(t, 1, size)
	words := history.SearchQuery{Room: 1, Terms: terms(t, "message"), Limit: size}
	s.search(t, words)
	for i := range rounds {
		after := time.Duration(i) * step
		ctx, cancel := context.WithTimeout(t.Context(), after)
		p, page := s.ReadPage(ctx, history.PageQuery{Room: 1, Limit: size})
		cancel()
		ctx, cancel = context.WithTimeout(t.Context(), after)
		r, search := s.Search(ctx, words)
		cancel()
		for what, answer := range map[string]struct {
			got int
			err error
		}{"ReadPage": {len(p.Messages), page}, "Search": {len(r.Hits), search}} {
			whole := answer.err == nil && answer.got == size
			if !whole && bw.KindOf(answer.err) != bw.Unavailable {
				t.Errorf("%s, given up after %v: got %d of %d messages and error %v, want all or unavailable",
					what, after, answer.got, size, answer.err)
			}
		}
	}
}

// begin is the timestamp of the first message of a test.
const begin bw.Millis = 1_700_000_000_000

// suite commits messages with places and times that grow.
type suite struct {
	Subject
	clock bw.Millis
	epoch bw.Epoch
	seqs  map[bw.RoomID]bw.Seq
}

// say makes a message that follows the last one of its room.
func (s *suite) say(room bw.RoomID, user bw.Name, text string) bw.Message {
	if s.seqs == nil {
		s.seqs = make(map[bw.RoomID]bw.Seq)
	}
	s.seqs[room]++
	s.clock += 1000
	return bw.Message{
		Room: room, Epoch: s.epoch, Seq: s.seqs[room], ID: bw.MessageID(fmt.Sprintf("id-%d-%d", room, s.seqs[room])),
		User: user, Text: text, Timestamp: s.clock,
	}
}

func (s *suite) commit(t *testing.T, batch ...bw.Message) []bw.Message {
	t.Helper()
	if err := s.Commit(batch); err != nil {
		t.Fatalf("commit %d messages: %v", len(batch), err)
	}
	return batch
}

// fill commits n messages to a room.
func (s *suite) fill(t *testing.T, room bw.RoomID, n int) []bw.Message {
	t.Helper()
	batch := make([]bw.Message, n)
	for i := range batch {
		batch[i] = s.say(room, "ann", fmt.Sprintf("message %d", s.seqs[room]+1))
	}
	return s.commit(t, batch...)
}

func (s *suite) page(t *testing.T, q history.PageQuery) history.Page {
	t.Helper()
	p, err := s.ReadPage(t.Context(), q)
	if err != nil {
		t.Fatalf("ReadPage(%+v): %v", q, err)
	}
	return p
}

func (s *suite) search(t *testing.T, q history.SearchQuery) history.SearchResult {
	t.Helper()
	r, err := s.Search(t.Context(), q)
	if err != nil {
		t.Fatalf("Search(%+v): %v", q, err)
	}
	return r
}

// terms parses what a user types; the empty text is no terms.
func terms(t *testing.T, q string) []history.Term {
	t.Helper()
	if q == "" {
		return nil
	}
	parsed, err := history.ParseTerms(q)
	if err != nil {
		t.Fatalf("ParseTerms(%q): %v", q, err)
	}
	return parsed
}

func seqs(messages []bw.Message) []bw.Seq {
	list := make([]bw.Seq, len(messages))
	for i, m := range messages {
		list[i] = m.Seq
	}
	return list
}

func messagesOf(hits []history.Hit) []bw.Message {
	list := make([]bw.Message, len(hits))
	for i, h := range hits {
		list[i] = h.Message
	}
	return list
}

func checkMessages(t *testing.T, what string, got, want []bw.Message) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}
