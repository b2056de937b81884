package playback

import (
	"context"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/cache/memcache"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/wire"
)

// lag is how much older than the history's an answer may be: what is not settled is
// as good as it is young.
const lag = young + time.Millisecond

// growing is a world in which time passes, and two servers that share a cache.
type growing struct {
	*world
	// then is what the history had so long ago that everybody has to see it.
	then    []bw.Message
	servers []*Reader
}

// newGrowing makes one; end closes its servers.
func newGrowing() (g *growing, end func()) {
	g = &growing{world: &world{head: bw.Position{Epoch: 1}, begins: 1, tail: 5}}
	shared := &sharedCache{Cache: memcache.New(memcache.Config{})}
	ends := []func(){func() { _ = shared.Close() }}
	for range 2 {
		near := memcache.New(memcache.Config{})
		r := New(Config{Broker: g.world, History: g.world, Caches: []cache.Cache{near, shared}, Registerer: prometheus.NewRegistry()})
		g.servers = append(g.servers, r)
		ends = append(ends, func() { r.Close(); _ = near.Close() })
	}
	return g, func() {
		for _, end := range slices.Backward(ends) {
			end()
		}
	}
}

// step lets something happen.
func (g *growing) step(t *rapid.T) {
	switch rapid.SampledFrom([]string{"say", "say", "index", "index", "wait", "wait long", "life"}).Draw(t, "step") {
	case "say":
		g.say(max(1, drawSaid(t)/rapid.SampledFrom([]int{1, 10}).Draw(t, "a part")))
	case "index":
		lacks := rapid.SampledFrom([]int{0, 0, 2, 10}).Draw(t, "one in so many is not indexed")
		g.index(func() bool { return lacks != 0 && rapid.IntRange(1, lacks).Draw(t, "lacks") == 1 })
	case "wait":
		// Nothing is so old that all have to see it.
		<-time.After(time.Duration(rapid.IntRange(0, int(young/time.Millisecond)/2).Draw(t, "ms")) * time.Millisecond)
		return
	case "wait long":
		g.settle()
		<-time.After(rapid.SampledFrom([]time.Duration{0, time.Minute, indexed, 2 * keepSettled}).Draw(t, "time"))
	case "life":
		// Of the first and the last message of a life nobody could tell that they lack.
		g.index(func() bool { return false })
		g.settle()
		g.begins = g.head.Seq + 1 + drawJump(t, g.head.Seq+1)
		g.head = bw.Position{Epoch: g.head.Epoch + 1, Seq: g.begins - 1}
		g.say(rapid.IntRange(1, 3).Draw(t, "said"))
	}
}

func (g *growing) say(n int) {
	for range n {
		g.head.Seq++
		g.said = append(g.said, bw.Message{Room: 1, Epoch: g.head.Epoch, Seq: g.head.Seq, Timestamp: bw.MillisOf(time.Now())})
	}
}

// index shows what has been said, but for what the history lacks.
func (g *growing) index(lacks func() bool) {
	had := map[bw.Seq]bool{}
	for _, m := range g.shown {
		had[m.Seq] = true
	}
	shown := make([]bw.Message, 0, len(g.said))
	for _, m := range g.said {
		if had[m.Seq] || !lacks() {
			shown = append(shown, m)
		}
	}
	g.shown = shown
}

// settle waits until everybody has to see what the history has.
func (g *growing) settle() {
	<-time.After(lag)
	g.then = g.shown
}

// least is what a reader without caches answers out of what all have to see.
func (g *growing) least(ctx context.Context, q history.PageQuery) (Page, error) {
	old := *g.world
	old.shown = g.then
	return old.reader().Page(ctx, q)
}

// TestCachedPagesAreThoseOfTheRoom: whatever happened before, each server's answer is
// a part of the room that has no hole, and at least what a reader without caches
// answers out of what the history had a moment ago.
func TestCachedPagesAreThoseOfTheRoom(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var failed any
		synctest.Test(t, func(*testing.T) {
			defer func() { failed = recover() }()
			g, end := newGrowing()
			defer end()
			for range rapid.IntRange(1, 12).Draw(r, "steps") {
				g.step(r)
				g.check(r)
			}
			g.index(func() bool { return false })
			g.settle()
			g.check(r)
		})
		if r.Failed() {
			r.FailNow()
		}
		if failed != nil {
			panic(failed) // rapid's way to say that it has no more data
		}
	})
}

func (g *growing) check(t *rapid.T) {
	limit := drawLimit(t)
	queries := map[history.PageQuery]bool{{Limit: limit}: true, {Limit: limit, After: wire.FromStart}: true}
	for range rapid.IntRange(0, 6).Draw(t, "queries") {
		seq := rapid.SampledFrom(g.interesting(t)).Draw(t, "at")
		queries[rapid.SampledFrom([]history.PageQuery{{Limit: limit, Before: seq}, {Limit: limit, After: seq}}).Draw(t, "query")] = true
	}
	ordered := slices.SortedFunc(maps.Keys(queries), func(a, b history.PageQuery) int {
		return int(a.Before - b.Before + 10000*(a.After-b.After))
	})
	for _, q := range ordered {
		server := rapid.IntRange(0, 1).Draw(t, "server")
		page, err := g.servers[server].Page(context.Background(), q)
		least, leastErr := g.least(context.Background(), q)
		switch {
		case err != nil && (bw.KindOf(err) != bw.Unavailable || leastErr == nil):
			t.Fatalf("%+v of server %d: got %v, want at least %v", q, server, err, seqsOf(least.Messages))
		case err != nil:
			continue
		case leastErr == nil && len(page.Messages) < len(least.Messages):
			t.Fatalf("%+v of server %d: got %v, want at least %v", q, server, seqsOf(page.Messages), seqsOf(least.Messages))
		}
		want, more := answerTo(g.said, q)
		if missing := len(want) - len(page.Messages); missing > 0 && len(g.then) == len(g.said) {
			t.Fatalf("%+v of server %d: got %v though everybody has to see %v", q, server, seqsOf(page.Messages), seqsOf(want))
		}
		checkPart(t, q, page, want, more)
	}
}

func seqsOf(messages []bw.Message) (seqs []bw.Seq) {
	for _, m := range messages {
		seqs = append(seqs, m.Seq)
	}
	return seqs
}
