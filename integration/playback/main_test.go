// Package playback counts what reading old messages costs Elasticsearch, by its own
// count, when several servers on one Redis are asked at once.
package playback_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/broker/redisbroker"
	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/cache/memcache"
	"github.com/breakwater-chat/breakwater/cache/rediscache"
	"github.com/breakwater-chat/breakwater/history/elastic"
	"github.com/breakwater-chat/breakwater/history/indexer"
	"github.com/breakwater-chat/breakwater/integration/services"
	"github.com/breakwater-chat/breakwater/server/playback"

	"github.com/breakwater-chat/breakwater/integration/harness"
)

// patience is how long anything may take that must happen.
const patience = 3 * time.Minute

var redisServer, elasticServer *services.Service

func TestMain(m *testing.M) {
	os.Exit(harness.Main(func(string) (int, error) { return run(m) }))
}

func run(m *testing.M) (status int, err error) {
	var errs [2]error
	var starting sync.WaitGroup
	starting.Go(func() { redisServer, errs[0] = services.StartRedis(context.Background()) })
	starting.Go(func() { elasticServer, errs[1] = services.StartElasticsearch(context.Background()) })
	starting.Wait()
	for _, s := range []*services.Service{redisServer, elasticServer} {
		if s != nil {
			defer s.Close()
		}
	}
	if err := errors.Join(errs[:]...); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// deployment is what the servers of a test share.
type deployment struct {
	name string // begins the names of all that it has
	raw  *redis.Client
}

func newDeployment(t *testing.T) deployment {
	t.Helper()
	options, err := redis.ParseURL(redisServer.URL)
	must(t, "read the address of Redis", err)
	d := deployment{name: "t" + strings.ToLower(rand.Text()), raw: redis.NewClient(options)}
	t.Cleanup(func() { must(t, "close the connection to Redis", d.raw.Close()) })
	must(t, "migrate", elastic.Migrate(t.Context(), elastic.Config{URLs: elasticServer.URL, Prefix: d.name}))
	return d
}

// reader is the part of a server that reads messages.
type reader struct {
	*playback.Reader
	broker  *redisbroker.Broker
	history *elastic.History
}

// warnings is a log that the test shows.
func warnings(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// start makes one with nothing in its memory; wrap, if not nil, changes the shared cache.
func (d deployment) start(t *testing.T, wrap func(cache.Cache) cache.Cache) *reader {
	t.Helper()
	log := warnings(t)
	h, err := elastic.Open(t.Context(), elastic.Config{URLs: elasticServer.URL, Prefix: d.name, Logger: log})
	must(t, "open the history", err)
	b, err := redisbroker.Open(t.Context(), redisbroker.Config{URL: redisServer.URL, Prefix: d.name, Newest: h.Newest, Logger: log})
	must(t, "open the broker", err)
	opened, err := rediscache.Open(rediscache.Config{URL: redisServer.URL, Prefix: d.name + ":cache:", Log: log})
	must(t, "open the cache", err)
	var shared cache.Cache = opened
	if wrap != nil {
		shared = wrap(shared)
	}
	near := memcache.New(memcache.Config{})
	r := &reader{broker: b, history: h, Reader: playback.New(playback.Config{
		Broker: b, History: h, Caches: []cache.Cache{near, shared}, Registerer: prometheus.NewRegistry(), Log: log,
	})}
	t.Cleanup(func() {
		r.Close()
		must(t, "close", errors.Join(near.Close(), shared.Close(), b.Close(), h.Close()))
	})
	return r
}

// fill says n messages in each of the rooms, again until they are acked, and waits until
// the history shows them.
func (d deployment) fill(t *testing.T, r *reader, rooms, n int) {
	t.Helper()
	carrier := indexer.New(indexer.Config{Feed: r.broker, Index: r.history, Logger: warnings(t)})
	defer func() { must(t, "close the indexer", carrier.Close()) }()
	for room := range bw.RoomID(rooms) {
		must(t, "begin a room", r.broker.Begin(t.Context(), room+1))
	}
	for i := range n {
		eventually(t, "all sends are acked", func() bool {
			var answered sync.WaitGroup
			var refused atomic.Bool
			for room := range bw.RoomID(rooms) {
				answered.Add(1)
				s := broker.Send{Room: room + 1, User: "ann", ID: bw.MessageID(fmt.Sprint("m", i)), Text: fmt.Sprint("message ", i)}
				r.broker.Send(s, func(_ broker.Ack, err error) {
					if bw.KindOf(err) == bw.Unavailable {
						refused.Store(true) // a loaded machine keeps Redis from its answer
					} else if err != nil {
						t.Errorf("send: %v", err)
					}
					answered.Done()
				})
			}
			answered.Wait()
			return !refused.Load()
		})
	}
	eventually(t, "the history has all messages", func() bool {
		return fmt.Sprint(d.elasticsearch(t, "/_count")["count"]) == fmt.Sprint(rooms*n)
	})
	must(t, "refresh", r.history.Refresh(t.Context()))
}

// forget removes what Redis has under keys of a pattern.
func (d deployment) forget(t *testing.T, pattern string) {
	t.Helper()
	keys, err := d.raw.Keys(t.Context(), pattern).Result()
	must(t, "list keys", err)
	if len(keys) > 0 {
		must(t, "delete keys", d.raw.Del(t.Context(), keys...).Err())
	}
}

// loseTails leaves the heads of rooms and nothing of their messages.
func (d deployment) loseTails(t *testing.T) { t.Helper(); d.forget(t, "{"+d.name+":*}:tail:*") }

// losePages empties the shared cache.
func (d deployment) losePages(t *testing.T) { t.Helper(); d.forget(t, d.name+":cache:*") }

// queries is how many searches of shards Elasticsearch has made of the messages.
func (d deployment) queries(t *testing.T) int {
	t.Helper()
	var stats struct {
		All struct {
			Total struct {
				Search struct {
					QueryTotal int `json:"query_total"`
				}
			}
		} `json:"_all"`
	}
	text, err := json.Marshal(d.elasticsearch(t, "/_stats/search"))
	must(t, "write the statistics", err)
	must(t, "read the statistics", json.Unmarshal(text, &stats))
	return stats.All.Total.Search.QueryTotal
}

// elasticsearch asks about the indices of the messages.
func (d deployment) elasticsearch(t *testing.T, path string) (answer map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, elasticServer.URL+"/"+d.name+path, http.NoBody)
	must(t, "make a request", err)
	response, err := http.DefaultClient.Do(request)
	must(t, "ask Elasticsearch", err)
	defer response.Body.Close()
	must(t, "read the answer", json.NewDecoder(response.Body).Decode(&answer))
	return answer
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		<-time.After(50 * time.Millisecond)
	}
}

func must(t *testing.T, doing string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
}
