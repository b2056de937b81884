package historytest

import (
	"slices"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
)

func testSearchWords(t *testing.T, s *suite) {
	texts := []string{
		1:  "The quick brown fox",
		2:  "a brown and quick dog",
		3:  "QUICK, brown!",
		4:  "catalog of cats",
		5:  "我说你好世界",
		6:  "你真好",
		7:  "さくらが咲く",
		8:  "great 👍🏽 work 🎉",
		9:  "مرحبا بالعالم",
		10: "Привет, МИР",
		11: "café in Zürich",
		12: "cafe in Zurich",
		13: "do not OR die AND be NOT near* (this) -that",
		14: "semi;colon 'quote' \"double\" back\\slash %percent_",
	}
	for _, text := range texts[1:] {
		s.commit(t, s.say(1, "ann", text))
	}
	for _, row := range []struct {
		name, q string
		want    []bw.Seq
	}{
		{"a word", "fox", []bw.Seq{1}},
		{"all words must occur", "quick brown", []bw.Seq{3, 2, 1}},
		{"one of them does not", "quick fox dog", nil},
		{"a phrase", `"quick brown"`, []bw.Seq{3, 1}},
		{"a phrase and a word", `"quick brown" fox`, []bw.Seq{1}},
		{"case", "FOX qUiCk", []bw.Seq{1}},
		{"whole words", "cat", nil},
		{"chinese", "你好", []bw.Seq{5}},
		{"one chinese character", "好", []bw.Seq{6, 5}},
		{"hiragana", "さくら", []bw.Seq{7}},
		{"emoji", "🎉", []bw.Seq{8}},
		{"emoji of any skin tone", "👍", []bw.Seq{8}},
		{"arabic", "بالعالم", []bw.Seq{9}},
		{"cyrillic case", "ПРИВЕТ мир", []bw.Seq{10}},
		{"accents", "café", []bw.Seq{11}},
		{"no accents", "cafe", []bw.Seq{12}},
		{"accents in another form", "cafe\u0301", []bw.Seq{11}},
		{"words like operators", "OR AND NOT near", []bw.Seq{13}},
		{"marks like operators", "near* (this) -that", []bw.Seq{13}},
		{"marks like quotes", "'quote' back\\slash %percent_", []bw.Seq{14}},
		{"words like fields", "scope:r1 words", nil},
		{"nothing", "absent", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := s.search(t, history.SearchQuery{Room: 1, Terms: terms(t, row.q), Limit: 50})
			if got := seqs(messagesOf(r.Hits)); !slices.Equal(got, row.want) || r.Total != len(row.want) || r.Cursor != "" {
				t.Errorf("q %q: got %v, total %d, cursor %q; want %v, total %d and no cursor",
					row.q, got, r.Total, r.Cursor, row.want, len(row.want))
			}
		})
	}
}

func testSearchFilters(t *testing.T, s *suite) {
	a := s.commit(t, s.say(1, "ann", "hello one"))[0]
	b := s.commit(t, s.say(2, "bob", "hello two"))[0]
	c := s.commit(t, s.say(1, "Ann", "hello three"))[0]
	d := s.commit(t, s.say(12, "名前 \"x\"", "hello four"))[0]
	e := s.commit(t, s.say(1, "bob", "hello five ann"))[0]
	for _, row := range []struct {
		name string
		q    history.SearchQuery
		want []bw.Message
	}{
		{"all rooms", history.SearchQuery{}, []bw.Message{e, d, c, b, a}},
		{"a room", history.SearchQuery{Room: 1}, []bw.Message{e, c, a}},
		{"a user, by the bytes of his name", history.SearchQuery{User: "ann"}, []bw.Message{a}},
		{"a user of any script", history.SearchQuery{User: "名前 \"x\""}, []bw.Message{d}},
		{"a user in a room", history.SearchQuery{Room: 1, User: "bob"}, []bw.Message{e}},
		{"a user who is part of a name", history.SearchQuery{User: "名前"}, nil},
		{"from, inclusive", history.SearchQuery{From: d.Timestamp}, []bw.Message{e, d}},
		{"to, inclusive", history.SearchQuery{To: b.Timestamp}, []bw.Message{b, a}},
		{"from and to", history.SearchQuery{From: b.Timestamp, To: c.Timestamp}, []bw.Message{c, b}},
		{"one millisecond", history.SearchQuery{From: c.Timestamp, To: c.Timestamp}, []bw.Message{c}},
		{"from after to", history.SearchQuery{From: c.Timestamp, To: b.Timestamp}, nil},
		{"everything at once", history.SearchQuery{Room: 1, User: "Ann", From: b.Timestamp, To: e.Timestamp}, []bw.Message{c}},
	} {
		// Filters hold with words and without.
		for _, q := range []string{"hello", ""} {
			t.Run(row.name+" "+q, func(t *testing.T) {
				row.q.Terms, row.q.Limit = terms(t, q), 50
				r := s.search(t, row.q)
				checkMessages(t, "hits", messagesOf(r.Hits), row.want)
				if r.Total != len(row.want) {
					t.Errorf("got total %d, want %d", r.Total, len(row.want))
				}
			})
		}
	}
}

func testSearchPages(t *testing.T, s *suite) {
	var want []bw.Message
	for i := range 120 {
		m := s.say(bw.RoomID(i%3+1), "ann", "needle")
		s.commit(t, m, s.say(4, "ann", "hay"))
		want = append(want, m)
	}
	slices.Reverse(want)
	for _, limit := range []int{1, 7, 40, 60, 120, 500} {
		var got []bw.Message
		q := history.SearchQuery{Terms: terms(t, "needle"), Limit: limit}
		for range len(want) + 1 {
			r := s.search(t, q)
			got = append(got, messagesOf(r.Hits)...)
			if r.Total != len(want) {
				t.Fatalf("limit %d: got total %d, want %d", limit, r.Total, len(want))
			}
			if q.Cursor = r.Cursor; q.Cursor == "" {
				break
			}
			if len(r.Hits) != limit {
				t.Fatalf("limit %d: a page before the last has %d hits", limit, len(r.Hits))
			}
		}
		if q.Cursor != "" {
			t.Fatalf("limit %d: the pages do not end", limit)
		}
		checkMessages(t, "all pages", got, want)
	}
}

func testSearchCursorIsStable(t *testing.T, s *suite) {
	var want, got []bw.Message
	for range 20 {
		want = append(want, s.commit(t, s.say(1, "ann", "needle"))...)
	}
	slices.Reverse(want)
	q := history.SearchQuery{Room: 1, Terms: terms(t, "needle"), Limit: 3}
	for {
		r := s.search(t, q)
		got = append(got, messagesOf(r.Hits)...)
		if q.Cursor = r.Cursor; q.Cursor == "" || len(got) > len(want) {
			break
		}
		s.commit(t, s.say(1, "bob", "a needle more"), s.say(2, "bob", "needle elsewhere"))
	}
	checkMessages(t, "the pages of the first moment", got, want)
	if r := s.search(t, history.SearchQuery{Room: 1, Terms: terms(t, "needle"), Limit: 1}); r.Total != 26 {
		t.Errorf("a new search: got total %d, want 26", r.Total)
	}
}

func testBadCursors(t *testing.T, s *suite) {
	s.fill(t, 1, 3)
	q := history.SearchQuery{Terms: terms(t, "message"), Limit: 2}
	genuine := s.search(t, q).Cursor
	if genuine == "" {
		t.Fatal("the first of two pages has no cursor")
	}
	for _, bad := range []string{"x", "0", "-1", "null", "' OR 1=1 --", genuine + "x", "é", genuine + genuine} {
		q.Cursor = bad
		if r, err := s.Search(t.Context(), q); bw.KindOf(err) != bw.BadQuery {
			t.Errorf("cursor %q: got %+v and error %v, want bad_query", bad, r, err)
		}
	}
}

func testHighlight(t *testing.T, s *suite) {
	for _, row := range []struct{ text, q, want string }{
		{"Hello hello, helloween", "hello", "<em>Hello</em> <em>hello</em>, helloween"},
		{`<script>alert("pwned")</script>`, "pwned", "&lt;script&gt;alert(&#34;<em>pwned</em>&#34;)&lt;/script&gt;"},
		{"<script> & <em>", "script", "&lt;<em>script</em>&gt; &amp; &lt;em&gt;"},
		{"big red bus and red big car", `"big red"`, "<em>big</em> <em>red</em> bus and red big car"},
		{"我说你好", "你好", "我说<em>你好</em>"},
		{"yes 🎉!", "🎉", "yes <em>🎉</em>!"},
	} {
		m := s.commit(t, s.say(1, "ann", row.text))[0]
		r := s.search(t, history.SearchQuery{Room: 1, Terms: terms(t, row.q), From: m.Timestamp, Limit: 50})
		if len(r.Hits) != 1 || r.Hits[0].Message != m {
			t.Errorf("q %q: got hits %+v, want the message %+v", row.q, r.Hits, m)
			continue
		}
		if got := r.Hits[0].Highlight; got != row.want {
			t.Errorf("q %q: got highlight %s, want %s", row.q, got, row.want)
		}
	}
}
