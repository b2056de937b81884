package playback_test

import (
	"sync"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/history"
)

const (
	clients = 9000
	rooms   = 90
	said    = 130 // in each room: the newest 50 lie in two pages
	pages   = 2 * rooms
	// most allows for locks that end when a machine stands still.
	most = pages + pages/4
)

// storm lets all clients read at once, each by one of the servers, and gives the
// searches that it cost. A server reads as many pages at a time as it does for
// clients (live.Config.MaxPages), and as many more for joins.
func storm(t *testing.T, d deployment, servers []*reader) int {
	t.Helper()
	before, began := d.queries(t), time.Now()
	turns := make([]chan struct{}, len(servers))
	for i := range turns {
		turns[i] = make(chan struct{}, 16)
	}
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			turn := turns[i%len(servers)]
			turn <- struct{}{}
			defer func() { <-turn }()
			q := history.PageQuery{Room: bw.RoomID(1 + i/len(servers)%rooms), Limit: 50}
			page, err := servers[i%len(servers)].Page(t.Context(), q)
			if err != nil || len(page.Messages) != 50 || page.Messages[49].Seq != said || !page.More {
				t.Errorf("room %d: got %d messages, more %t, error %v", q.Room, len(page.Messages), page.More, err)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	cost := d.queries(t) - before
	t.Logf("%d clients in %d rooms on %d servers: %d searches, %v", clients, rooms, len(servers), cost, took)
	return cost
}

func (d deployment) startAll(t *testing.T, n int, wrap func(cache.Cache) cache.Cache) (servers []*reader) {
	t.Helper()
	for range n {
		servers = append(servers, d.start(t, wrap))
	}
	return servers
}

// TestAStormCostsASearchAPage in the whole cluster, and nothing while Redis or the
// servers have the pages.
func TestAStormCostsASearchAPage(t *testing.T) {
	d := newDeployment(t)
	servers := d.startAll(t, 3, nil)
	d.fill(t, servers[0], rooms, said)
	d.loseTails(t)
	want := func(name string, servers []*reader, least, most int) {
		t.Helper()
		if got := storm(t, d, servers); got < least || got > most {
			t.Errorf("%s: got %d searches, want at most %d", name, got, most)
		}
	}
	want("cold", servers, pages, most)
	want("warm", servers, 0, 0)
	fresh := d.startAll(t, 3, nil)
	want("servers that know nothing", fresh, 0, 0)
	d.losePages(t)
	want("Redis that knows nothing", fresh, 0, 0)
	d.losePages(t)
	want("nobody knows anything", d.startAll(t, 3, nil), pages, most)
}

// unlocked is a cache without locks.
type unlocked struct{ cache.Cache }

// TestWithoutLocksAStormCostsMore: it is the lock that spares Elasticsearch.
func TestWithoutLocksAStormCostsMore(t *testing.T) {
	d := newDeployment(t)
	servers := d.startAll(t, 3, func(c cache.Cache) cache.Cache { return unlocked{c} })
	d.fill(t, servers[0], rooms, said)
	d.loseTails(t)
	if got := storm(t, d, servers); got <= most {
		t.Errorf("got %d searches, want more than %d", got, most)
	}
}

// TestAWalkCostsASearchAPage: who reads a whole room, in whatever portions and
// direction, costs as many searches as it has pages, and a second one nothing.
func TestAWalkCostsASearchAPage(t *testing.T) {
	const size = 777
	d := newDeployment(t)
	servers := d.startAll(t, 2, nil)
	d.fill(t, servers[0], 1, size)
	d.loseTails(t)
	for i, row := range []struct {
		q    history.PageQuery
		cost int
	}{
		{history.PageQuery{Room: 1, Limit: 70}, 8},
		{history.PageQuery{Room: 1, Limit: 500}, 0},
		{history.PageQuery{Room: 1, Limit: 33, After: -1}, 0},
	} {
		before, read := d.queries(t), 0
		for more := true; more; {
			page, err := servers[i%2].Page(t.Context(), row.q)
			must(t, "read a page", err)
			n := len(page.Messages)
			if read, more = read+n, page.More; n == 0 {
				break
			}
			if row.q.After != 0 {
				row.q.After = page.Messages[n-1].Seq
			} else {
				row.q.Before = page.Messages[0].Seq
			}
		}
		if cost := d.queries(t) - before; read != size || cost != row.cost {
			t.Errorf("%d at a time: got %d messages for %d searches, want %d for %d", row.q.Limit, read, cost, size, row.cost)
		}
	}
}
