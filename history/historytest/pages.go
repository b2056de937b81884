package historytest

import (
	"slices"
	"strings"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
)

// fromStart is below every seq: what a server asks for when everything that
// follows seq 0 is wanted, as 0 itself asks for the newest (wire.FromStart).
const fromStart bw.Seq = -1

func testPages(t *testing.T, s *suite) {
	s.fill(t, 2, 3) // a neighbour on each side
	s.fill(t, 4, 3)
	s.fill(t, 3, 10)
	for _, row := range []struct {
		name          string
		before, after bw.Seq
		limit         int
		want          []bw.Seq
		more          bool
	}{
		{"newest", 0, 0, 3, []bw.Seq{8, 9, 10}, true},
		{"newest, all", 0, 0, 10, []bw.Seq{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, false},
		{"newest, more than all", 0, 0, 11, []bw.Seq{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, false},
		{"before", 8, 0, 3, []bw.Seq{5, 6, 7}, true},
		{"before, to the first", 4, 0, 3, []bw.Seq{1, 2, 3}, false},
		{"before, past the first", 3, 0, 3, []bw.Seq{1, 2}, false},
		{"before the first", 1, 0, 3, nil, false},
		{"before beyond the end", 1000, 0, 3, []bw.Seq{8, 9, 10}, true},
		{"after", 0, 4, 3, []bw.Seq{5, 6, 7}, true},
		{"after, to the last", 0, 7, 3, []bw.Seq{8, 9, 10}, false},
		{"after, past the last", 0, 8, 3, []bw.Seq{9, 10}, false},
		{"after the last", 0, 10, 3, nil, false},
		{"after beyond the end", 0, 1000, 3, nil, false},
		{"from the start", 0, fromStart, 3, []bw.Seq{1, 2, 3}, true},
		{"from the start, all", 0, fromStart, 10, []bw.Seq{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := s.page(t, history.PageQuery{Room: 3, Before: row.before, After: row.after, Limit: row.limit})
			if got := seqs(p.Messages); !slices.Equal(got, row.want) || p.More != row.more {
				t.Errorf("got %v, more %v; want %v, more %v", got, p.More, row.want, row.more)
			}
			for _, m := range p.Messages {
				if m.Room != 3 {
					t.Errorf("got a message of room %d", m.Room)
				}
			}
		})
	}
}

func testPageSizes(t *testing.T, s *suite) {
	all := s.fill(t, 1, 501)
	for _, row := range []struct{ limit, first, last int }{{1, 501, 501}, {500, 2, 501}} {
		p := s.page(t, history.PageQuery{Room: 1, Limit: row.limit})
		checkMessages(t, "the newest page", p.Messages, all[row.first-1:row.last])
		if !p.More {
			t.Errorf("limit %d of 501: no more is said to be there", row.limit)
		}
	}
	p := s.page(t, history.PageQuery{Room: 1, After: 1, Limit: 500})
	checkMessages(t, "all after the first", p.Messages, all[1:])
	if p.More {
		t.Error("after the last page more is said to be there")
	}
}

func testEpochs(t *testing.T, s *suite) {
	old := s.fill(t, 1, 5)
	s.epoch, s.seqs[1] = 9, 1005 // the log lost its memory and began above what was known
	fresh := s.fill(t, 1, 3)

	p := s.page(t, history.PageQuery{Room: 1, Limit: 5})
	checkMessages(t, "a page across the hole", p.Messages, slices.Concat(old[3:], fresh))
	if !p.More {
		t.Error("before it no more is said to be there")
	}
	p = s.page(t, history.PageQuery{Room: 1, After: 4, Limit: 2})
	checkMessages(t, "after, across the hole", p.Messages, []bw.Message{old[4], fresh[0]})
	p = s.page(t, history.PageQuery{Room: 1, Before: 500, Limit: 2})
	checkMessages(t, "before a seq within the hole", p.Messages, old[3:])
	p = s.page(t, history.PageQuery{Room: 1, After: 500, Limit: 2})
	checkMessages(t, "after a seq within the hole", p.Messages, fresh[:2])
}

func testUnknownRoom(t *testing.T, s *suite) {
	s.fill(t, 1, 1)
	for _, q := range []history.PageQuery{{Room: 2, Limit: 50}, {Room: 2, After: 1, Limit: 50}, {Room: 2, After: fromStart, Limit: 50}, {Room: 2, Before: 9, Limit: 50}} {
		if p := s.page(t, q); len(p.Messages) != 0 || p.More {
			t.Errorf("ReadPage(%+v): got %+v, want nothing", q, p)
		}
	}
	if r := s.search(t, history.SearchQuery{Room: 2, Terms: terms(t, "message"), Limit: 50}); len(r.Hits) != 0 || r.Total != 0 || r.Cursor != "" {
		t.Errorf("Search in it: got %+v, want nothing", r)
	}
}

func testWalk(t *testing.T, s *suite) {
	all := s.fill(t, 1, 730)
	var up, down []bw.Message
	for q := (history.PageQuery{Room: 1, Limit: 100}); ; {
		p := s.page(t, q)
		up = slices.Concat(p.Messages, up)
		if !p.More {
			break
		}
		q.Before = p.Messages[0].Seq
	}
	checkMessages(t, "walked from the newest", up, all)
	for q := (history.PageQuery{Room: 1, After: fromStart, Limit: 100}); ; {
		p := s.page(t, q)
		down = append(down, p.Messages...)
		if !p.More {
			break
		}
		q.After = p.Messages[len(p.Messages)-1].Seq
	}
	checkMessages(t, "walked from the oldest", down, all)
}

func testFidelity(t *testing.T, s *suite) {
	var batch []bw.Message
	for _, text := range []string{
		" spaces around ", "line\nbreak\ttab", "nul \x00 inside", "\"quotes\" and 'more' \\", "你好 👩\u200d💻 مرحبا",
		"line separator\u2028", strings.Repeat("x", 4096), strings.Repeat("😀", 1024), "<b>&amp;</b>",
	} {
		batch = append(batch, s.say(1<<31-1, "Zoë 😀", text))
	}
	batch[0].ID = bw.MessageID(strings.Repeat("é", 64))
	s.commit(t, batch...)
	checkMessages(t, "the page", s.page(t, history.PageQuery{Room: 1<<31 - 1, Limit: 50}).Messages, batch)
}
