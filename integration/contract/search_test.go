package contract

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"
)

type hits struct {
	Hits []struct {
		message
		Highlight string
	}
	Total  int
	Cursor *string
}

func (h hits) texts() []string {
	var all []string
	for _, hit := range h.Hits {
		all = append(all, hit.Text)
	}
	return all
}

// search waits until a search finds so many, and returns its first page:
// indexing may follow the ack.
func (p *person) search(path string, query url.Values, total int) hits {
	p.Helper()
	var found hits
	for end := time.Now().Add(patience); ; {
		found = hits{}
		p.get(path+"?"+query.Encode()).ok(http.StatusOK, &found)
		if found.Total == total {
			return found
		}
		if time.Now().After(end) {
			p.Fatalf("searching %s: got %+v for %v, want %d in total", query.Encode(), found, patience, total)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func TestSearching(t *testing.T) {
	ada, bob := newPerson(t, "Ada"), newPerson(t, "Bob")
	r, other := ada.newRoom(), ada.newRoom()
	word := fmt.Sprintf("zyx%d", counter.Add(1)) // nobody else's
	for i, text := range []string{"the quick brown fox", "the brown quick fox", "A QUICK one", "Größe und ÜBER", "<b>fox</b> & \"fox\"", "東京タワー", "nothing"} {
		ada.say(r, fmt.Sprint("a", i), text+" "+word)
	}
	bobs := bob.say(r, "b", "quick by Bob "+word)
	ada.say(other, "c", "quick elsewhere "+word)
	for _, row := range []struct {
		name   string
		query  url.Values
		want   []string // newest first, without the word
		global bool
	}{
		{name: "a word", query: url.Values{"q": {word + " quick"}}, want: []string{"quick by Bob", "A QUICK one", "the brown quick fox", "the quick brown fox"}},
		{name: "in another case", query: url.Values{"q": {word + " QuIcK bROWN"}}, want: []string{"the brown quick fox", "the quick brown fox"}},
		{name: "a phrase", query: url.Values{"q": {word + ` "quick brown"`}}, want: []string{"the quick brown fox"}},
		{name: "letters beyond ASCII", query: url.Values{"q": {word + " über größe"}}, want: []string{"Größe und ÜBER"}},
		{name: "a script without spaces", query: url.Values{"q": {word + " 東京"}}, want: []string{"東京タワー"}},
		{name: "part of a word is no word", query: url.Values{"q": {word + " quic"}}},
		{name: "by a user", query: url.Values{"q": {word + " quick"}, "user": {bob.Name}}, want: []string{"quick by Bob"}},
		{name: "by nobody", query: url.Values{"q": {word}, "user": {"nobody of that name"}}},
		{name: "from a time on", query: url.Values{"q": {word}, "from": {fmt.Sprint(bobs.Timestamp + 100_000)}}},
		{name: "up to a time", query: url.Values{"q": {word}, "to": {"1"}}},
		{name: "syntax of other engines is words", query: url.Values{"q": {word + " OR quick*"}}},
		{name: "all rooms", query: url.Values{"q": {word + " quick"}}, want: []string{"quick elsewhere", "quick by Bob", "A QUICK one", "the brown quick fox", "the quick brown fox"}, global: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := r.path("/messages/search")
			if row.global {
				path = "/v1/messages/search"
			}
			p := *ada
			p.T = t
			got := p.search(path, row.query, len(row.want)).texts()
			for i := range row.want {
				row.want[i] += " " + word
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
	found := ada.search(r.path("/messages/search"), url.Values{"q": {word + " fox b"}}, 1).Hits[0]
	if want := fmt.Sprintf("&lt;<em>b</em>&gt;<em>fox</em>&lt;/<em>b</em>&gt; &amp; &#34;<em>fox</em>&#34; <em>%s</em>", word); found.Highlight != want {
		t.Errorf("got highlight %s, want %s", found.Highlight, want)
	}
}

func TestPagesOfASearch(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	all := ada.sayMany(r, 25)
	slices.Reverse(all)
	ada.search(r.path("/messages/search"), url.Values{"q": {"text"}}, len(all))
	var got []message
	query := url.Values{"q": {"text"}, "limit": {"10"}}
	for pages := 0; ; pages++ {
		found := ada.search(r.path("/messages/search"), query, len(all))
		for _, h := range found.Hits {
			got = append(got, h.message)
		}
		if pages == 0 {
			ada.say(r, "meanwhile", "said meanwhile") // must not shift the pages behind
		}
		if found.Cursor == nil {
			break
		}
		query.Set("cursor", *found.Cursor)
	}
	if fmt.Sprint(got) != fmt.Sprint(all) {
		t.Errorf("got %d hits %+v, want all %d, newest first, each once", len(got), got, len(all))
	}
}

// TestSearchUpToTheBeginning: a bound of 0 is a bound.
func TestSearchUpToTheBeginning(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	ada.sayMany(r, 3)
	ada.search(r.path("/messages/search"), url.Values{"q": {"text"}, "to": {"0"}}, 0)
	ada.search(r.path("/messages/search"), url.Values{"q": {"text"}, "from": {"0"}}, 3)
}

func TestBadSearches(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	for _, query := range []string{"", "q=", "q=%20", "q=%21%3F", "q=x&from=x", "q=x&to=-1", "q=x&cursor=nonsense", "q=x&user=%00"} {
		for _, path := range []string{r.path("/messages/search?"), "/v1/messages/search?"} {
			t.Run(path+query, func(t *testing.T) {
				request{method: "GET", path: path + query, token: ada.Token}.do(t).refused(http.StatusBadRequest, "bad_query")
			})
		}
	}
}
