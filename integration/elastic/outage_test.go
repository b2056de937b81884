package elastic_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/history/indexer"
)

// feed is a log in memory.
type feed struct {
	mu      sync.Mutex
	waiting []broker.Entry
	left    map[string]bool
	parked  []string
}

func newFeed(messages []bw.Message) *feed {
	f := &feed{left: make(map[string]bool)}
	for _, m := range messages {
		key := string(m.ID)
		f.waiting, f.left[key] = append(f.waiting, broker.Entry{Key: key, Message: m}), true
	}
	return f
}

func (f *feed) Read(ctx context.Context, limit int) ([]broker.Entry, error) {
	f.mu.Lock()
	n := min(limit, len(f.waiting))
	entries := f.waiting[:n:n]
	f.waiting = f.waiting[n:]
	f.mu.Unlock()
	if n == 0 {
		<-ctx.Done()
		return nil, bw.Unavailablef(ctx.Err(), "nothing new")
	}
	return entries, nil
}

func (f *feed) Settle(_ context.Context, entries []broker.Entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range entries {
		delete(f.left, e.Key)
	}
	return nil
}

func (f *feed) Park(_ context.Context, e broker.Entry, reason string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.parked = append(f.parked, e.Key+": "+reason)
	return nil
}

func (f *feed) size() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.left)
}

// TestKilledWhileIndexing: Elasticsearch is killed again and again while messages
// are carried into it. In the end each is there once, though nobody told the indexer.
func TestKilledWhileIndexing(t *testing.T) {
	const count, kills = 60_000, 3
	cfg := migrated(t)
	cfg.PageTimeout = patience // a node that has just recovered is slow
	h := open(t, cfg)
	f := newFeed(lines(1, 1, count, november))
	x := indexer.New(indexer.Config{Feed: f, Index: h, Logger: cfg.Logger, MaxBackoff: time.Second})
	defer x.Close()
	for i := range kills {
		below := count - (i+1)*count/(kills+1)
		eventually(t, "messages are carried", func() bool { return f.size() <= below })
		must(t, "kill", server.Kill(t.Context()))
		if f.size() == 0 {
			t.Error("all was carried before the kill: it is no test")
		}
		must(t, "start", server.Start(t.Context()))
	}
	eventually(t, "all are carried", func() bool { return f.size() == 0 })
	if got := documents(t, cfg.Prefix); got != "60000" {
		t.Errorf("got %s documents, want %d", got, count)
	}
	if len(f.parked) > 0 {
		t.Errorf("%d messages were put aside: %v", len(f.parked), f.parked[0])
	}
	after := bw.Seq(-1)
	for {
		p := page(t, h, history.PageQuery{Room: 1, After: after, Limit: 500})
		for i, m := range p.Messages {
			if want := max(after, 0) + bw.Seq(i) + 1; m.Seq != want {
				t.Fatalf("got message %d, want %d", m.Seq, want)
			}
		}
		if !p.More {
			break
		}
		after = p.Messages[len(p.Messages)-1].Seq
	}
}

// TestAFrozenElasticsearchCostsNothing: after a few calls nobody waits for it any
// more, and soon after it is back it is asked again.
func TestAFrozenElasticsearchCostsNothing(t *testing.T) {
	cfg := migrated(t)
	cfg.PageTimeout = 300 * time.Millisecond
	h := open(t, cfg)
	put(t, h, lines(1, 1, 10, november)...)
	must(t, "pause", server.Pause(t.Context()))
	var took []time.Duration
	for range 30 {
		began := time.Now()
		_, err := h.ReadPage(context.Background(), history.PageQuery{Room: 1, Limit: 5})
		took = append(took, time.Since(began))
		if bw.KindOf(err) != bw.Unavailable {
			t.Errorf("got error %v, want unavailable", err)
		}
	}
	if err := h.Healthy(context.Background()); bw.KindOf(err) != bw.Unavailable {
		t.Errorf("Healthy: got error %v, want unavailable", err)
	}
	if slow := len(slices.DeleteFunc(slices.Clone(took), func(d time.Duration) bool { return d < 100*time.Millisecond })); slow > len(took)/2 {
		t.Errorf("%d of %d calls waited for an answer: %v", slow, len(took), took)
	}
	must(t, "unpause", server.Unpause(t.Context()))
	began := time.Now()
	eventually(t, "pages are read again", func() bool {
		p, err := h.ReadPage(context.Background(), history.PageQuery{Room: 1, Limit: 5})
		return err == nil && len(p.Messages) == 5
	})
	if took := time.Since(began); took > patience/2 {
		t.Errorf("it took %v until it was asked again, want a few seconds", took)
	}
}

// TestAServerStartsWithoutElasticsearch, and works when that comes.
func TestAServerStartsWithoutElasticsearch(t *testing.T) {
	cfg := migrated(t)
	cfg.PageTimeout = patience // a node that has just started is slow
	must(t, "kill", server.Kill(t.Context()))
	h := open(t, cfg)
	if _, err := h.ReadPage(context.Background(), history.PageQuery{Room: 1, Limit: 5}); bw.KindOf(err) != bw.Unavailable {
		t.Errorf("got error %v, want unavailable", err)
	}
	must(t, "start", server.Start(t.Context()))
	put(t, h, lines(1, 1, 10, november)...)
	show(t, h)
	if got := len(page(t, h, history.PageQuery{Room: 1, Limit: 5}).Messages); got != 5 {
		t.Errorf("got a page of %d messages, want 5", got)
	}
}
