package cluster

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/integration/services"
)

// The size of a run.
const (
	people = 40
	rooms  = 8
)

// TestLoad is a minute of everything that people do.
func TestLoad(t *testing.T) {
	l := start(t, people, rooms)
	l.goOn(time.Minute)
	l.check()
	for what, n := range map[string]int64{
		"connections were cut":  l.sum(func(c *client) int64 { return c.cut.Load() }),
		"requests were refused": l.sum(func(c *client) int64 { return c.refused.Load() }),
		"gaps were told":        l.sum(func(c *client) int64 { return c.gaps.Load() }),
	} {
		if n > 0 {
			t.Errorf("%d %s, want none while nothing is wrong", n, what)
		}
	}
}

// restart kills a service and starts it again after a time.
func (l *load) restart(s *services.Service, away time.Duration) {
	l.Helper()
	must := func(err error) {
		l.Helper()
		if err != nil {
			l.Fatal(err)
		}
	}
	must(s.Kill(l.Context()))
	l.goOn(away)
	began := time.Now()
	must(s.Start(context.WithoutCancel(l.Context())))
	l.Logf("%s was started again in %v", s.URL, time.Since(began).Round(time.Second/10))
}

// TestEachServiceIsKilled kills all of them in turn under load.
func TestEachServiceIsKilled(t *testing.T) {
	l := start(t, people, rooms)
	for _, s := range []*services.Service{stand.services.Redis, stand.services.MySQL, stand.services.Elasticsearch} {
		l.goOn(4 * time.Second)
		l.restart(s, time.Second)
		l.goOn(4 * time.Second)
	}
	l.check()
	if cut := l.sum(func(c *client) int64 { return c.cut.Load() }); cut > 0 {
		t.Logf("%d connections came back", cut)
	}
}

// TestElasticsearchIsAway: chat goes on for a minute, and what was said is found
// afterwards.
func TestElasticsearchIsAway(t *testing.T) {
	l := start(t, people, rooms)
	l.goOn(2 * time.Second)
	es := stand.services.Elasticsearch
	if err := es.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, before := l.ledger.heads()
	l.goOn(time.Minute)
	_, after := l.ledger.heads()
	at := fmt.Sprintf("%s/v1/messages/search?q=%s", stand.Nginx.URL, l.word)
	if response, err := call(t.Context(), "GET", at, l.someone.Token, nil, nil); err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a search without Elasticsearch: got %v, want status 503", err)
	}
	for _, room := range l.rooms {
		if after[room] <= before[room] {
			t.Errorf("room %d has %d acks, and had %d a minute before", room, after[room], before[room])
		}
	}
	if n := l.sum(func(c *client) int64 { return c.cut.Load() + c.refused.Load() }); n > 0 {
		t.Errorf("%d connections were cut or requests refused, want none", n)
	}
	if err := es.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	l.check()
}

// TestMySQLIsAway: who is there does not notice, also where he joins known rooms;
// who is new is told when to come back.
func TestMySQLIsAway(t *testing.T) {
	l := start(t, people, rooms)
	l.goOn(3 * time.Second)
	mysql := stand.services.MySQL
	if err := mysql.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.goOn(2 * time.Second)
	began := time.Now()
	response, err := call(t.Context(), "POST", stand.Nginx.URL+"/v1/chatrooms/users", "", map[string]string{"name": l.word + " new"}, nil)
	if err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("a sign-up without MySQL: got %v after %v, want status 503 with Retry-After", err, time.Since(began))
	}
	l.goOn(20 * time.Second)
	if n := l.sum(func(c *client) int64 { return c.cut.Load() + c.refused.Load() }); n > 0 {
		t.Errorf("%d connections were cut or requests refused, want none", n)
	}
	if err := mysql.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	l.check()
}

// TestRedisIsAway: a send is refused within a second, connections stay, and what
// is sent again afterwards is delivered once.
func TestRedisIsAway(t *testing.T) {
	redis := stand.services.Redis
	for _, row := range []struct {
		name       string
		away, back func(context.Context) error
	}{
		{"dead", redis.Kill, redis.Start},
		{"silent", redis.Pause, redis.Unpause},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := start(t, people, rooms)
			l.goOn(3 * time.Second)
			if err := row.away(t.Context()); err != nil {
				t.Fatal(err)
			}
			l.goOn(10 * time.Second)
			if err := row.back(context.WithoutCancel(t.Context())); err != nil {
				t.Fatal(err)
			}
			refused := l.sum(func(c *client) int64 { return c.refused.Load() })
			l.goOn(3 * time.Second)
			l.check()
			if refused == 0 {
				t.Error("no send was refused")
			}
			for _, c := range l.clients {
				if slowest := time.Duration(c.slowest.Load()); slowest > time.Second+slack {
					t.Errorf("%s waited %v to be refused, want a second at most", c.Name, slowest)
				}
			}
		})
	}
}

// slack is what a loaded machine adds to a time that was promised.
const slack = 500 * time.Millisecond

// TestRedisIsEmptied: what was in the log only is lost with it, and nothing else;
// every room begins a new epoch above all seqs it ever had, and every member is told.
func TestRedisIsEmptied(t *testing.T) {
	l := start(t, people, rooms)
	l.goOn(5 * time.Second)
	heads, acks := l.ledger.heads()
	// What is acked by now is indexed within a few seconds, whatever comes.
	l.await("what is acked to be found", func() error {
		for room, n := range acks {
			if err := l.foundAtLeast(room, n); err != nil {
				return err
			}
		}
		return nil
	})
	emptyRedis(t)
	l.goOn(10 * time.Second)
	l.settle()
	l.report()
	told := l.sum(func(c *client) int64 { return c.gaps.Load() + c.reset.Load() })
	if told < people {
		t.Errorf("%d times members were told of a new epoch, want at least each of %d once", told, people)
	}
	for room, head := range heads {
		epochs := l.ledger.epochs(room)
		if len(epochs) != 2 || epochs[1].first <= epochs[0].last || epochs[0].last < head {
			t.Errorf("room %d has the epochs %+v, want a second one above the first, which ends at %d or later", room, epochs, head)
		}
		if err := l.foundAtLeast(room, acks[room]); err != nil {
			t.Errorf("after Redis was emptied: %v", err)
		}
	}
}
