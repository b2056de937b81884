package elastic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
)

// TestAnAnswerIsWholeOrAnError: what Elasticsearch leaves out is never taken for
// what is not there.
func TestAnAnswerIsWholeOrAnError(t *testing.T) {
	for _, row := range []struct {
		name string
		say  answer
		want bw.Kind
	}{
		{"empty", answer{200, `{"responses":[{"status":200,"timed_out":false}]}`}, ""},
		{"a shard is away", answer{200, `{"responses":[{"status":503,"error":{"type":"search_phase_execution_exception"}}]}`}, bw.Unavailable},
		{"it took too long", answer{200, `{"responses":[{"status":200,"timed_out":true}]}`}, bw.Unavailable},
		{"an answer too few", answer{200, `{}`}, bw.Unavailable},
		{"no JSON", answer{200, `<html>`}, bw.Unavailable},
		{"no such path", answer{404, ``}, bw.Unavailable},
		{"an answer without end", answer{200, strings.Repeat(" ", maxAnswer+1)}, bw.Unavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := openFake(t, newFake(t, func(string, string) answer { return row.say }), Config{})
			if _, err := h.ReadPage(background, history.PageQuery{Room: 1, Limit: 5}); bw.KindOf(err) != row.want {
				t.Errorf("a page: got error %v, want %q", err, row.want)
			}
			if _, err := h.Search(background, history.SearchQuery{Limit: 5}); bw.KindOf(err) != row.want {
				t.Errorf("a search: got error %v, want %q", err, row.want)
			}
		})
	}
}

func TestNewestFailsIfAShardCouldNotShowAll(t *testing.T) {
	h := openFake(t, newFake(t, func(path, _ string) answer {
		if strings.HasSuffix(path, "/_refresh") {
			return answer{200, `{"_shards":{"total":2,"successful":1,"failed":1}}`}
		}
		return answer{200, `{"responses":[{"status":200}]}`}
	}), Config{})
	if at, err := h.Newest(background, 1); bw.KindOf(err) != bw.Unavailable {
		t.Errorf("got %v and error %v, want unavailable", at, err)
	}
}

// TestANodeThatRestartsIsAskedAgain: 503 for a moment is no error to anybody.
func TestANodeThatRestartsIsAskedAgain(t *testing.T) {
	asked := 0
	h := openFake(t, newFake(t, func(string, string) answer {
		if asked++; asked < 3 {
			return answer{http.StatusServiceUnavailable, "starting"}
		}
		return answer{200, `{"responses":[{"status":200}]}`}
	}), Config{})
	if _, err := h.ReadPage(background, history.PageQuery{Room: 1, Limit: 5}); err != nil {
		t.Errorf("got error %v, want none", err)
	}
}

func TestGate(t *testing.T) {
	ok := func(context.Context) error { return nil }
	hangs := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	fresh := func() *gate { return newGate("pages", 2, 3*time.Second, slog.New(slog.DiscardHandler)) }
	took := func(ctx context.Context, g *gate, call func(context.Context) error) (time.Duration, error) {
		began := time.Now()
		err := g.pass(ctx, call)
		return time.Since(began), err
	}
	for name, test := range map[string]func(t *testing.T){
		"it closes after failures, and opens again": func(t *testing.T) {
			g := fresh()
			for range trip {
				if d, err := took(t.Context(), g, hangs); d != 3*time.Second || bw.KindOf(err) != bw.Unavailable {
					t.Errorf("got error %v after %v, want unavailable after the timeout", err, d)
				}
			}
			for range 10 {
				if d, err := took(t.Context(), g, ok); d != 0 || bw.KindOf(err) != bw.Unavailable {
					t.Errorf("got error %v after %v, want unavailable at once", err, d)
				}
			}
			if got := g.refused.Load(); got != 10 {
				t.Errorf("%d calls are counted as refused, want 10", got)
			}
			<-time.After(rest + time.Millisecond)
			for range 10 {
				if _, err := took(t.Context(), g, ok); err != nil {
					t.Errorf("after the rest: got error %v, want none", err)
				}
			}
		},
		"callers who give up say nothing": func(t *testing.T) {
			g := fresh()
			for range 3 * trip {
				ctx, cancel := context.WithTimeout(t.Context(), fair/2)
				if _, err := took(ctx, g, hangs); bw.KindOf(err) != bw.Unavailable {
					t.Errorf("got error %v, want unavailable", err)
				}
				cancel()
			}
			if _, err := took(t.Context(), g, ok); err != nil {
				t.Errorf("got error %v, want none", err)
			}
		},
		"callers who waited long enough do": func(t *testing.T) {
			g := fresh()
			for range trip {
				ctx, cancel := context.WithTimeout(t.Context(), fair)
				_, _ = took(ctx, g, hangs)
				cancel()
			}
			if _, err := took(t.Context(), g, ok); bw.KindOf(err) != bw.Unavailable {
				t.Errorf("got error %v, want unavailable", err)
			}
		},
		"a question that is not understood closes nothing": func(t *testing.T) {
			g := fresh()
			for range 3 * trip {
				_, _ = took(t.Context(), g, func(context.Context) error { return &statusError{400, ""} })
			}
			if _, err := took(t.Context(), g, ok); err != nil {
				t.Errorf("got error %v, want none", err)
			}
		},
		"no more than so many at once": func(t *testing.T) {
			g := fresh()
			for range 2 {
				go func() { _ = g.pass(t.Context(), hangs) }()
			}
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if d, err := took(ctx, g, ok); d != time.Second || bw.KindOf(err) != bw.Unavailable {
				t.Errorf("got error %v after %v, want unavailable when the caller's time was over", err, d)
			}
			if d, err := took(t.Context(), g, ok); d != 2*time.Second || err != nil {
				t.Errorf("got error %v after %v, want none when it was its turn", err, d)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	}
}

// TestPasswordsAreKept: neither errors nor logs show one.
func TestPasswordsAreKept(t *testing.T) {
	const secret = "s3cr3t"
	var logged bytes.Buffer
	told := func(err error) {
		t.Helper()
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("got error %v, want one without the password", err)
		}
	}
	for _, urls := range []string{"", "ftp://ann:s3cr3t@host", "http://ann:s3cr3t@ho st", "http://ann:s3cr3t@", "http://ok:1,http://ann:s3cr3t@host:port"} {
		_, err := Open(background, Config{URLs: urls})
		told(err)
	}
	h, err := Open(background, Config{URLs: "http://ann:s3cr3t@127.0.0.1:1,http://ann:s3cr3t@127.0.0.1:2", Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer h.Close()
	_, err = h.ReadPage(background, history.PageQuery{Room: 1, Limit: 5})
	told(err)
	told(errors.Join(h.Put(background, lines(1))...))
	told(h.Healthy(background))
	if logged.Len() == 0 || strings.Contains(logged.String(), secret) {
		t.Errorf("got the log %q, want one without the password", logged.String())
	}
}

// TestUsersAreTold: the password of the address reaches Elasticsearch.
func TestUsersAreTold(t *testing.T) {
	var user, password string
	f := newFake(t, func(string, string) answer { return answer{200, `{"responses":[{"status":200}]}`} })
	inner := f.Config.Handler
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ = r.BasicAuth()
		inner.ServeHTTP(w, r)
	})
	h, err := Open(background, Config{URLs: strings.Replace(f.URL, "http://", "http://ann:p%40ss@", 1)})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer h.Close()
	if user != "ann" || password != "p@ss" {
		t.Errorf("got user %q and password %q, want ann and p@ss", user, password)
	}
}

func TestCursor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := cursor{
			timestamp: bw.Millis(rapid.Int64().Draw(t, "timestamp")), room: bw.RoomID(rapid.Int64Range(1, int64(bw.MaxRoomID)).Draw(t, "room")),
			seq: bw.Seq(rapid.Int64Min(1).Draw(t, "seq")), total: rapid.IntMin(1).Draw(t, "total"),
		}
		if got, err := parseCursor(c.String()); err != nil || got != c {
			t.Fatalf("parseCursor(%s): got %+v and error %v, want %+v", c, got, err, c)
		}
		s := rapid.String().Draw(t, "text")
		if got, err := parseCursor(s); err == nil && s != "" && got.String() != s {
			t.Fatalf("parseCursor(%q): got %+v", s, got)
		}
	})
}

func TestLongWordsStandForThemselves(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for _, row := range []struct{ a, b string }{{long, long + "y"}, {long, long[:255]}, {"a " + long, "a x"}} {
		if a, b := phrase(history.Words(row.a)), phrase(history.Words(row.b)); a == b {
			t.Errorf("%.20q and %.20q are both indexed as %q", row.a, row.b, a)
		}
	}
	if got := phrase([]string{"a", long}); len(got) > 100 || strings.Count(got, " ") != 1 {
		t.Errorf("got %q, want two short words", got)
	}
}

// TestAPageIsOneSearch wherever seqs have no holes: a storm is counted in searches.
func TestAPageIsOneSearch(t *testing.T) {
	hits := func(seqs ...int) answer {
		var list []string
		for _, seq := range seqs {
			list = append(list, fmt.Sprintf(`{"_source":{"chatroom":1,"epoch":5,"seq":%d}}`, seq))
		}
		return answer{200, `{"responses":[{"status":200,"hits":{"hits":[` + strings.Join(list, ",") + `]}}]}`}
	}
	for _, row := range []struct {
		name  string
		q     history.PageQuery
		say   answer
		asked int
	}{
		{"the newest", history.PageQuery{Room: 1, Limit: 2}, hits(9, 8, 7), 1},
		{"before", history.PageQuery{Room: 1, Before: 8, Limit: 2}, hits(7, 6, 5), 1},
		{"before, the first ones", history.PageQuery{Room: 1, Before: 3, Limit: 2}, hits(2, 1), 1},
		{"after", history.PageQuery{Room: 1, After: 4, Limit: 2}, hits(7, 6, 5), 1},
		{"after, where seqs end or lack", history.PageQuery{Room: 1, After: 4, Limit: 2}, hits(6, 5), 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			questions := 0
			h := openFake(t, newFake(t, func(_, body string) answer {
				questions += strings.Count(body, "\n") / 2
				return row.say
			}), Config{})
			if _, err := h.ReadPage(background, row.q); err != nil || questions != row.asked {
				t.Errorf("got %d searches and error %v, want %d", questions, err, row.asked)
			}
		})
	}
}
