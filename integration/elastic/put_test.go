package elastic_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/history/elastic"
	"github.com/breakwater-chat/breakwater/migrations"
)

// november is where most messages of these tests are.
var november = time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)

func TestPuttingAgainChangesNothing(t *testing.T) {
	cfg := migrated(t)
	h := open(t, cfg)
	batch := lines(1, 1, 1200, november)
	put(t, h, batch...)
	put(t, h, batch...)
	put(t, h, batch[3], batch[3]) // and twice at once
	if got := documents(t, cfg.Prefix); got != "1200" {
		t.Errorf("got %s documents, want 1200", got)
	}
}

func TestPuttingAtOnceStoresOnce(t *testing.T) {
	cfg := migrated(t)
	h := open(t, cfg)
	batch := lines(1, 1, 500, november)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for i, err := range h.Put(context.Background(), batch) {
				if err != nil {
					t.Errorf("message %d: %v", i+1, err)
				}
			}
		})
	}
	all.Wait()
	if got := documents(t, cfg.Prefix); got != "500" {
		t.Errorf("got %s documents, want 500", got)
	}
}

// TestAnotherMessageOfTheSameName: the first one stays, whatever differs, and
// the others of the batch are stored.
func TestAnotherMessageOfTheSameName(t *testing.T) {
	cfg := migrated(t)
	h := open(t, cfg)
	batch := lines(1, 1, 8, november)
	put(t, h, batch[:6]...)
	forged := slices.Clone(batch)
	forged[1].Text = "something else"
	forged[2].User = "bob"
	forged[3].ID = "other"
	forged[4].Timestamp++
	for i, err := range h.Put(context.Background(), forged) {
		if want := i >= 1 && i <= 4; errors.Is(err, history.ErrRejected) != want || !want && err != nil {
			t.Errorf("message %d: got error %v, want rejected %v", i+1, err, want)
		}
	}
	show(t, h)
	got := page(t, h, history.PageQuery{Room: 1, Limit: 50}).Messages
	if !slices.Equal(got, batch) {
		t.Errorf("got %v, want the first ones %v", got, batch)
	}
}

// TestWhatCannotBeStoredIsRejected, and holds no other up.
func TestWhatCannotBeStoredIsRejected(t *testing.T) {
	h := open(t, migrated(t))
	batch := lines(1, 1, 3, november)
	batch[0].Room = bw.MaxRoomID + 1
	batch[1].User = bw.Name(strings.Repeat("x", 40_000))
	errs := h.Put(context.Background(), batch)
	for i, err := range errs[:2] {
		if !errors.Is(err, history.ErrRejected) || len(err.Error()) > 500 {
			t.Errorf("message %d: got error %v, want a short rejection", i+1, err)
		}
	}
	must(t, "put the third", errs[2])
}

// TestTroubleOfTheClusterIsNotTheMessages: a closed index and a cluster that is
// full answer with the same status as a message that is wrong.
func TestTroubleOfTheClusterIsNotTheMessages(t *testing.T) {
	cfg := migrated(t)
	h := open(t, cfg)
	batch := lines(1, 1, 2, november)
	put(t, h, batch[0])
	index := cfg.Prefix + "-2026.11"
	for _, row := range []struct{ name, path, trouble, relief string }{
		{"closed", "/" + index + "/_close", "", ""},
		{"read only", "/" + index + "/_settings", `{"index.blocks.read_only_allow_delete":true}`, `{"index.blocks.read_only_allow_delete":null}`},
	} {
		method, relief := "PUT", row.path
		if row.trouble == "" {
			method, relief = "POST", "/"+index+"/_open"
		}
		raw(t, method, row.path, row.trouble)
		if err := h.Put(context.Background(), batch[1:])[0]; err == nil || errors.Is(err, history.ErrRejected) {
			t.Errorf("%s: got error %v, want one that passes", row.name, err)
		}
		raw(t, method, relief, row.relief)
	}
	put(t, h, batch[1])
}

// TestMonths: a room that goes on for months is one, in pages and in searches.
func TestMonths(t *testing.T) {
	cfg := migrated(t)
	h := open(t, cfg)
	var all []bw.Message
	for i := range 6 {
		from := bw.Seq(100*i + 1)
		all = append(all, lines(1, from, from+99, time.Date(2026, time.Month(8+i), 1, 0, 0, 0, 0, time.UTC).Add(-time.Minute))...)
	}
	put(t, h, all...)
	show(t, h)
	for month, want := range map[string]string{"2026.07": "59", "2026.08": "41", "2026.09": "100", "2027.01": "100"} {
		if got := documents(t, cfg.Prefix+"-"+month); got != want {
			t.Errorf("month %s: got %s documents, want %s", month, got, want)
		}
	}
	var up []bw.Message
	for q := (history.PageQuery{Room: 1, Limit: 70}); ; {
		p := page(t, h, q)
		up = slices.Concat(p.Messages, up)
		if !p.More {
			break
		}
		q.Before = p.Messages[0].Seq
	}
	var down []bw.Message
	for q := (history.PageQuery{Room: 1, After: -1, Limit: 70}); ; {
		p := page(t, h, q)
		down = append(down, p.Messages...)
		if !p.More {
			break
		}
		q.After = p.Messages[len(p.Messages)-1].Seq
	}
	for what, got := range map[string][]bw.Message{"up": up, "down": down} {
		if !slices.Equal(got, all) {
			t.Errorf("walked %s: got %d messages, not the %d that were put, in order", what, len(got), len(all))
		}
	}
	r, err := h.Search(context.Background(), history.SearchQuery{Terms: []history.Term{{"message"}}, Limit: 500})
	must(t, "search", err)
	if r.Total != 600 || r.Hits[0].Seq != 600 || r.Hits[499].Seq != 101 {
		t.Errorf("got total %d, hits %d..%d; want 600, 600..101", r.Total, r.Hits[0].Seq, r.Hits[499].Seq)
	}
}

// TestNewestHidesNothing: what was put a moment ago counts, though no page shows it yet.
func TestNewestHidesNothing(t *testing.T) {
	h := open(t, migrated(t))
	newest := func() bw.Position {
		at, err := h.Newest(context.Background(), 1)
		must(t, "find the newest", err)
		return at
	}
	if got := newest(); got != (bw.Position{}) {
		t.Errorf("nothing was put: got %v", got)
	}
	for seq := bw.Seq(1); seq <= 20; seq++ {
		put(t, h, lines(1, seq, seq, november)...)
		put(t, h, lines(2, 100+seq, 100+seq, november)...)
		if got := newest(); got != (bw.Position{Epoch: 5, Seq: seq}) {
			t.Errorf("got %v, want seq %d", got, seq)
		}
	}
}

// TestWithoutSchemaNothingIsWritten: an index that nobody shaped would be made
// by the first message, and no search would know it.
func TestWithoutSchemaNothingIsWritten(t *testing.T) {
	cfg := config(t)
	if _, err := elastic.Open(context.Background(), cfg); !errors.Is(err, migrations.ErrOlderSchema) {
		t.Fatalf("open: got error %v, want ErrOlderSchema", err)
	}
	must(t, "migrate", elastic.Migrate(context.Background(), cfg))
	h := open(t, cfg)
	must(t, "Healthy", h.Healthy(context.Background()))
	if p := page(t, h, history.PageQuery{Room: 1, Limit: 5}); len(p.Messages) != 0 || p.More {
		t.Errorf("before the first message: got the page %+v, want an empty one", p)
	}
	r, err := h.Search(context.Background(), history.SearchQuery{Terms: []history.Term{{"message"}}, Limit: 5})
	if must(t, "search", err); r.Total != 0 || len(r.Hits) != 0 {
		t.Errorf("before the first message: got %+v, want no hits", r)
	}
	raw(t, "DELETE", "/"+cfg.Prefix+"-migrations", "") // all was lost while servers ran
	raw(t, "DELETE", "/_index_template/"+cfg.Prefix, "")
	if err := h.Put(context.Background(), lines(1, 1, 1, november))[0]; !errors.Is(err, migrations.ErrOlderSchema) {
		t.Errorf("put: got error %v, want ErrOlderSchema", err)
	}
	if err := h.Healthy(context.Background()); !errors.Is(err, migrations.ErrOlderSchema) {
		t.Errorf("Healthy: got error %v, want ErrOlderSchema", err)
	}
	if got := raw(t, "GET", "/"+cfg.Prefix+"-2026.11", "")["status"]; fmt.Sprint(got) != "404" {
		t.Errorf("an index was made: %v", got)
	}
}
