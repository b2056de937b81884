package cluster

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/integration/services"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
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
	l.wantUndisturbed()
	if n := l.sum(func(c *client) int64 { return c.gaps.Load() }); n > 0 {
		t.Errorf("%d gaps were told, want none while nothing is wrong", n)
	}
}

// wantUndisturbed fails if people have noticed anything: if a connection was cut, or
// more is refused than what a machine costs that keeps Redis from its answer now and then
// for longer than a send may take. Where all sends are refused for some seconds these are
// several times as many as acks, since they are repeated.
func (l *load) wantUndisturbed() {
	l.Helper()
	const stalls = 4 // one for so many acks may be refused for that
	if cut := l.sum(func(c *client) int64 { return c.cut.Load() }); cut > 0 {
		l.Errorf("%d connections were cut, want none", cut)
	}
	_, heads := l.ledger.heads()
	acks := 0
	for _, n := range heads {
		acks += n
	}
	if refused := int(l.sum(func(c *client) int64 { return c.refused.Load() })); refused > acks/stalls {
		l.Errorf("%d requests were refused and %d acked, want hardly any refused", refused, acks)
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
	for _, s := range []*services.Service{shared.services.Redis, shared.services.MySQL, shared.services.Elasticsearch} {
		l.goOn(2 * time.Second)
		l.restart(s, time.Second)
		l.goOn(2 * time.Second)
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
	es := shared.services.Elasticsearch
	if err := es.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, before := l.ledger.heads()
	l.goOn(time.Minute)
	_, after := l.ledger.heads()
	at := fmt.Sprintf("%s/v1/messages/search?q=%s", shared.Nginx.URL, l.word)
	if response, err := stand.Call(t.Context(), "GET", at, l.someone.Token, nil, nil); err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a search without Elasticsearch: got %v, want status 503", err)
	}
	for _, room := range l.rooms {
		if after[room] <= before[room] {
			t.Errorf("room %d has %d acks, and had %d a minute before", room, after[room], before[room])
		}
	}
	l.wantUndisturbed()
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
	mysql, before := shared.services.MySQL, l.lives()
	if err := mysql.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.goOn(2 * time.Second)
	began := time.Now()
	response, err := stand.Call(t.Context(), "POST", shared.Nginx.URL+"/v1/chatrooms/users", "", map[string]string{"name": l.word + " new"}, nil)
	if err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("a sign-up without MySQL: got %v after %v, want status 503 with Retry-After", err, time.Since(began))
	}
	l.goOn(lease + 3*time.Second)
	l.wantUndisturbed()
	if err := mysql.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	l.goOn(2 * lease) // All leases were over: nobody may have been declared dead for it.
	if after := l.lives(); !slices.Equal(after, before) {
		t.Errorf("got the servers' incarnations %v after MySQL was away, want %v still", after, before)
	}
	l.check()
}

// lives are the incarnations of the servers that are alive.
func (l *load) lives() (all []int64) {
	l.Helper()
	rows, err := l.openMySQL().QueryContext(l.Context(), "SELECT incarnation FROM servers WHERE state = 'live' AND id LIKE 'server-%' ORDER BY incarnation")
	if err != nil {
		l.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var incarnation int64
		if err := rows.Scan(&incarnation); err != nil {
			l.Fatal(err)
		}
		all = append(all, incarnation)
	}
	if err := rows.Err(); err != nil {
		l.Fatal(err)
	}
	return all
}

// TestRedisIsAway: a send is refused within a second, connections stay, and what
// is sent again afterwards is delivered once, also when Redis goes away again.
func TestRedisIsAway(t *testing.T) {
	redis := shared.services.Redis
	l := start(t, people, rooms)
	refused := func() int64 { return l.sum(func(c *client) int64 { return c.refused.Load() }) }
	for _, row := range []struct {
		name       string
		away, back func(context.Context) error
	}{
		{"silent", redis.Pause, redis.Unpause},
		{"dead", redis.Kill, redis.Start},
	} {
		l.goOn(3 * time.Second)
		before := refused()
		if err := row.away(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.goOn(outage)
		if err := row.back(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		if refused() == before {
			t.Errorf("no send was refused by a Redis that was %s", row.name)
		}
	}
	l.goOn(3 * time.Second)
	l.check()
	for _, c := range l.clients {
		if slowest := time.Duration(c.slowest.Load()); slowest > time.Second+slack {
			t.Errorf("%s waited %v to be refused, want a second at most", c.Name, slowest)
		}
	}
}

// slack is what a loaded machine adds to the second in which a send is refused, and
// outage is longer than both: who would wait for its end is noticed.
const (
	slack  = 2 * time.Second
	outage = 5 * time.Second
)

// TestRedisIsEmptied: what was in the log only is lost with it, and nothing else;
// every room begins a new epoch above all seqs it ever had, and every member is told.
func TestRedisIsEmptied(t *testing.T) {
	l := start(t, people, rooms)
	l.goOn(3 * time.Second)
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
	l.goOn(5 * time.Second)
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
