package playback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/cache/cachetest"
	"github.com/breakwater-chat/breakwater/cache/memcache"
	"github.com/breakwater-chat/breakwater/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sharedCache is what several servers share, with locks.
type sharedCache struct {
	*memcache.Cache
	cachetest.Locks
	mu    sync.Mutex // guards the rest
	away  bool
	loose bool // locks hold nobody back
}

var errAway = errors.New("the cache is away")

func newSharedCache(t *testing.T) *sharedCache {
	c := &sharedCache{Cache: memcache.New(memcache.Config{})}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (c *sharedCache) isAway() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return errAway
	}
	return nil
}

func (c *sharedCache) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if err := c.isAway(); err != nil {
		return nil, false, err
	}
	return c.Cache.Get(ctx, key)
}

func (c *sharedCache) Mark(ctx context.Context, key string) (cache.Mark, error) {
	if err := c.isAway(); err != nil {
		return "", err
	}
	return c.Cache.Mark(ctx, key)
}

// TryLock implements cache.Locker.
func (c *sharedCache) TryLock(ctx context.Context, key, token string, life time.Duration) (bool, error) {
	if err := c.isAway(); err != nil {
		return false, err
	}
	c.mu.Lock()
	loose := c.loose
	c.mu.Unlock()
	if loose {
		return true, nil
	}
	return c.Locks.TryLock(ctx, key, token, life)
}

// counted is a history that takes a while and counts what it is asked.
type counted struct {
	history.History
	takes time.Duration
	mu    sync.Mutex // guards reads
	reads map[history.PageQuery]int
}

func (c *counted) ReadPage(ctx context.Context, q history.PageQuery) (history.Page, error) {
	c.mu.Lock()
	c.reads[q]++
	c.mu.Unlock()
	select {
	case <-time.After(c.takes):
	case <-ctx.Done():
		return history.Page{}, bw.Unavailablef(ctx.Err(), "the history is too slow")
	}
	return c.History.ReadPage(ctx, q)
}

// asked gives how often the history was asked since the last time, and the most
// that one question was.
func (c *counted) asked() (all, most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.reads {
		all, most = all+n, max(most, n)
	}
	clear(c.reads)
	return all, most
}

// onlyHead is a broker whose tail is lost.
type onlyHead struct{ broker.Broker }

func (b onlyHead) Tail(ctx context.Context, room bw.RoomID, after bw.Seq, _ int) (broker.Tail, error) {
	return b.Broker.Tail(ctx, room, after, 0)
}

// cluster is some servers that read one world, which takes 50 ms to read a page of
// the history.
type cluster struct {
	world   *world
	history *counted
	shared  *sharedCache
	servers []*Reader
	metrics []*prometheus.Registry
}

func newCluster(t *testing.T, w *world, servers int) *cluster {
	t.Helper()
	c := &cluster{world: w, shared: newSharedCache(t), history: &counted{History: w, takes: 50 * time.Millisecond, reads: map[history.PageQuery]int{}}}
	for range servers {
		c.start(t)
	}
	return c
}

// start adds a server that knows nothing.
func (c *cluster) start(t *testing.T) *Reader {
	t.Helper()
	near, metrics := memcache.New(memcache.Config{}), prometheus.NewRegistry()
	r := New(Config{Broker: onlyHead{c.world}, History: c.history, Caches: []cache.Cache{near, c.shared}, Registerer: metrics})
	c.servers, c.metrics = append(c.servers, r), append(c.metrics, metrics)
	t.Cleanup(func() {
		r.Close()
		_ = near.Close()
	})
	return r
}

// storm lets callers read the newest 50 of rooms, spread over the servers.
func (c *cluster) storm(t *testing.T, callers, rooms int) {
	t.Helper()
	want := c.world.said[len(c.world.said)-50:]
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			page, err := c.servers[i%len(c.servers)].Page(t.Context(), history.PageQuery{Room: bw.RoomID(1 + i/len(c.servers)%rooms), Limit: 50})
			if err != nil || len(page.Messages) != 50 || page.Messages[49].Seq != want[49].Seq || !page.More {
				t.Errorf("got %d messages, more %t, error %v", len(page.Messages), page.More, err)
			}
		})
	}
	all.Wait()
}

// long is a room of one life.
func long(n bw.Seq) *world {
	return &world{said: said(1, 1, n), shown: said(1, 1, n), head: bw.Position{Epoch: 1, Seq: n}, begins: 1, tail: 1500}
}

// TestAStormReadsEachPageOnce: 20,000 callers at once, in 90 rooms whose newest 50
// lie in two pages, on three servers.
func TestAStormReadsEachPageOnce(t *testing.T) {
	const callers, rooms, servers, pages = 20_000, 90, 3, 2 * 90
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, long(1220), servers)
		c.storm(t, callers, rooms)
		if all, most := c.history.asked(); all != pages || most != 1 {
			t.Errorf("got %d reads, at most %d of a page; want %d, 1 of each", all, most, pages)
		}
		var waits float64
		for _, m := range c.metrics {
			waits += value(t, m, "breakwater_playback_waits_total")
		}
		if waits == 0 || waits > pages*(servers-1) {
			t.Errorf("got %v waits for other servers, want some, at most %d", waits, pages*(servers-1))
		}
		c.start(t) // it has the pages from the others
		c.storm(t, callers/10, rooms)
		if all, _ := c.history.asked(); all != 0 {
			t.Errorf("once more: got %d reads, want none", all)
		}
	})
}

// TestWithoutLocksAStormReadsMore: it is the lock that holds the servers back.
func TestWithoutLocksAStormReadsMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, long(1220), 3)
		c.shared.loose = true
		c.storm(t, 2000, 90)
		if all, most := c.history.asked(); most < 2 || all <= 2*90 {
			t.Errorf("got %d reads, at most %d of a page; want more than one", all, most)
		}
	})
}

// TestAStormWithoutTheSharedCache costs a read a page and server.
func TestAStormWithoutTheSharedCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, long(1220), 3)
		c.shared.away = true
		c.storm(t, 2000, 30)
		if all, most := c.history.asked(); all > 3*2*30 || most > 3 {
			t.Errorf("got %d reads, at most %d of a page; want one a server", all, most)
		}
	})
}

func TestWhoGivesUpLeavesThePageToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, long(1000), 1)
		q := history.PageQuery{Room: 1, Before: 501, Limit: 100}
		impatient, giveUp := context.WithCancel(t.Context())
		gaveUp, patient := make(chan error), make(chan error)
		go func() { _, err := c.servers[0].Page(impatient, q); gaveUp <- err }()
		synctest.Wait()
		go func() { _, err := c.servers[0].Page(t.Context(), q); patient <- err }()
		synctest.Wait()
		giveUp()
		if err := <-gaveUp; bw.KindOf(err) != bw.Unavailable || !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up: got %v", err)
		}
		if err := <-patient; err != nil {
			t.Errorf("who waited: got %v", err)
		}
		if all, _ := c.history.asked(); all != 1 {
			t.Errorf("got %d reads, want 1", all)
		}
	})
}

// TestAServerThatDiedWhileItRead is waited for as long as its lock lives.
func TestAServerThatDiedWhileItRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, long(1000), 2)
		if ok, _ := c.shared.TryLock(t.Context(), "page:1:4", "dead", lockLife); !ok {
			t.Fatal("the lock cannot be had")
		}
		began := time.Now()
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				if page, err := c.servers[i%2].Page(t.Context(), history.PageQuery{Room: 1, Before: 501, Limit: 100}); err != nil || len(page.Messages) != 100 {
					t.Errorf("got %d messages, error %v", len(page.Messages), err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took < lockLife || took > lockLife+300*time.Millisecond {
			t.Errorf("took %v, want little more than %v", took, lockLife)
		}
		if all, _ := c.history.asked(); all != 1 {
			t.Errorf("got %d reads, want 1", all)
		}
	})
}

// TestAHistoryThatHangs costs callers their patience, and then they are told.
func TestAHistoryThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, long(1000), 2)
		c.history.takes = time.Hour
		began := time.Now()
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				if _, err := c.servers[i%2].Page(t.Context(), history.PageQuery{Room: 1, Before: 501, Limit: 100}); bw.KindOf(err) != bw.Unavailable {
					t.Errorf("got %v, want unavailable", err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took != loadLimit {
			t.Errorf("took %v, want %v", took, loadLimit)
		}
	})
}

// TestAPageGrows: what the history shows later is seen after a moment, and at once
// when it is needed and the page is not of this moment.
func TestAPageGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := long(150)
		c := newCluster(t, w, 2)
		read := func(server int, before bw.Seq) int {
			t.Helper()
			page, err := c.servers[server].Page(t.Context(), history.PageQuery{Room: 1, Before: before, Limit: 10})
			if err != nil && bw.KindOf(err) != bw.Unavailable {
				t.Fatalf("got %v", err)
			}
			return len(page.Messages)
		}
		wantReads := func(want int) {
			t.Helper()
			if got, _ := c.history.asked(); got != want {
				t.Errorf("got %d reads, want %d", got, want)
			}
		}
		say := func(to bw.Seq) { w.said, w.shown, w.head.Seq = said(1, 1, to), said(1, 1, to), to }
		if got := read(0, 151) + read(1, 151); got != 20 {
			t.Errorf("got %d messages, want 20", got)
		}
		wantReads(1)
		say(160)
		// What has been read does not have it, and is new.
		if got := read(0, 161) + read(1, 161); got != 0 {
			t.Errorf("got %d messages, want none yet", got)
		}
		<-time.After(young + time.Millisecond)
		if got := read(0, 161) + read(1, 161); got != 20 {
			t.Errorf("a moment later: got %d messages, want 20", got)
		}
		wantReads(1)
		<-time.After(time.Minute)
		say(170)
		if got := read(1, 171) + read(0, 171); got != 20 {
			t.Errorf("when the page is old: got %d messages at once, want 20", got)
		}
		wantReads(1)
		<-time.After(keepSettled / 2)
		if got := read(1, 171) + read(0, 161) + read(1, 131); got != 30 {
			t.Errorf("of what does not change: got %d messages, want 30", got)
		}
		wantReads(0)
	})
}

// TestClocksThatDisagree: what another server's clock says to be of another time
// costs reads, and is not good for ever.
func TestClocksThatDisagree(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, long(150), 1)
				p := newAlignedPage(said(1, 1, 120))
				p.loaded = bw.MillisOf(time.Now().Add(skew))
				if err := c.shared.Set(t.Context(), "page:1:1", append([]byte{1}, p.encode()...), time.Hour); err != nil {
					t.Fatal(err)
				}
				page, err := c.servers[0].Page(t.Context(), history.PageQuery{Room: 1, Before: 151, Limit: 10})
				if err != nil || len(page.Messages) != 10 {
					t.Errorf("got %d messages, error %v, want 10", len(page.Messages), err)
				}
			})
		})
	}
}

// TestALifeThatBeganLongAgo: its first page is as good as any other when what was
// said before it has had its time to be indexed.
func TestALifeThatBeganLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{said: slices.Concat(said(1, 1, 30), said(9, 9001, 9080)), head: bw.Position{Epoch: 9, Seq: 9080}, begins: 9001}
		for i := range w.said {
			w.said[i].Timestamp = bw.MillisOf(time.Now())
		}
		w.shown = w.said
		c := newCluster(t, w, 2)
		for _, row := range []struct {
			later time.Duration
			reads int
		}{{0, 1}, {young + time.Millisecond, 1}, {indexed, 1}, {young + time.Millisecond, 0}, {indexed, 0}} {
			<-time.After(row.later)
			for _, r := range c.servers {
				if page, err := r.Page(t.Context(), history.PageQuery{Room: 1, Before: 9081, Limit: 80}); err != nil || len(page.Messages) != 80 || !page.More {
					t.Errorf("got %d messages, more %t, error %v", len(page.Messages), page.More, err)
				}
			}
			if got, _ := c.history.asked(); got != row.reads {
				t.Errorf("%v later: got %d reads, want %d", row.later, got, row.reads)
			}
		}
	})
}

// TestNobodyMakesPagesThatAreNotThere: whatever seq is asked for, the pages are those
// of the room.
func TestNobodyMakesPagesThatAreNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, long(150), 1)
		for i := range bw.Seq(50) {
			for _, q := range []history.PageQuery{{Room: 1, Before: 1e15 + 1000*i, Limit: 10}, {Room: 1, After: 1e15 + 1000*i, Limit: 10}, {Room: 1, Before: 1<<63 - 1 - i, Limit: 10}, {Room: 1, After: 1<<63 - 1 - i, Limit: 10}} {
				if page, err := c.servers[0].Page(t.Context(), q); err != nil || q.Before != 0 && len(page.Messages) != 10 {
					t.Errorf("%+v: got %d messages, error %v", q, len(page.Messages), err)
				}
			}
		}
		if got, _ := c.history.asked(); got != 1 {
			t.Errorf("got %d reads, want 1", got)
		}
	})
}

// TestWhoReadsEverythingDoesNotFillTheSharedCache: what one server puts there to stay
// is bounded; pages beyond that are gone after a moment.
func TestWhoReadsEverythingDoesNotFillTheSharedCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept, brief int
		pages := newPages(nil, []cache.Cache{nil, watchedTTL{set: func(bytes int, ttl time.Duration) {
			if ttl > keepOther {
				kept += bytes
			} else {
				brief++
			}
		}}}, prometheus.NewCounterVec(prometheus.CounterOpts{}, []string{"source"}), prometheus.NewCounter(prometheus.CounterOpts{}), slog.New(slog.DiscardHandler))
		defer pages.tiers[1:].Close()
		all := said(1, 1, 100)
		for i := range all {
			all[i].Text = strings.Repeat("x", 4096)
		}
		p := newAlignedPage(all)
		for i := range 350 {
			if _, _, err := pages.tiers[1:].GetIf(t.Context(), fmt.Sprint(i), nil, func(context.Context) (alignedPage, bool, error) { return p, true, nil }); err != nil {
				t.Fatal(err)
			}
		}
		if kept < sharedBytes/2 || kept > sharedBytes*11/10 || brief == 0 {
			t.Errorf("got %d bytes kept and %d pages kept briefly, want %d bytes and some", kept, brief, sharedBytes)
		}
	})
}

// watchedTTL has nothing and tells what it is to keep.
type watchedTTL struct {
	cache.Cache
	set func(bytes int, ttl time.Duration)
}

func (watchedTTL) Get(context.Context, string) ([]byte, bool, error) { return nil, false, nil }
func (watchedTTL) Mark(context.Context, string) (cache.Mark, error)  { return "m", nil }
func (w watchedTTL) SetSince(_ context.Context, _ cache.Mark, _ string, value []byte, ttl time.Duration) error {
	w.set(len(value), ttl)
	return nil
}

// value is the sum of a metric over its labels.
func value(t *testing.T, reg *prometheus.Registry, name string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}
