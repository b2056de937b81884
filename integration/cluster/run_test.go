package cluster

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// patience bounds every wait for something that must come.
const patience = 2 * time.Minute

// person is a user with a token.
type person struct {
	ID          int64
	Name, Token string
}

// load is a run of many clients over the whole cluster.
type load struct {
	*testing.T
	rng     *rand.Rand
	ledger  *ledger
	word    string // that every message of the run has
	rooms   []int64
	clients []*client
	someone person
	enter   func(*client)
	stop    func()
	quiet   func()
	running sync.WaitGroup
}

// seed makes runs different; a failure prints it.
func seed(t *testing.T) *rand.Rand {
	s := rand.Uint64()
	t.Logf("seed %d", s)
	return rand.New(rand.NewPCG(s, 0))
}

// start begins a run: the clients are spread by nginx.
func start(t *testing.T, people, rooms int) *load {
	t.Helper()
	rng := seed(t)
	l := &load{T: t, rng: rng, ledger: newLedger(), word: fmt.Sprintf("w%x", rng.Uint64())}
	base := shared.Nginx.URL
	l.someone = l.signUp(l.word + " someone")
	for i := range rooms {
		l.rooms = append(l.rooms, l.newRoom(fmt.Sprint(i)))
	}
	ctx, stop := context.WithCancel(context.Background())
	quiet, calm := context.WithCancel(ctx)
	l.stop, l.quiet = stop, calm
	t.Cleanup(l.end)
	l.enter = func(c *client) {
		l.clients = append(l.clients, c)
		l.running.Go(func() { c.run(ctx, quiet) })
	}
	for i := range people {
		l.enter(newClient(l.ledger, l.signUp(fmt.Sprint(l.word, " ", i)), base, l.word, l.rooms, rng.Uint64(), 200*time.Millisecond))
	}
	l.await("everybody to be in a room", func() error {
		for _, c := range l.clients {
			if len(c.isIn()) == 0 {
				return fmt.Errorf("%s is in none", c.Name)
			}
		}
		return nil
	})
	return l
}

func (l *load) signUp(name string) (p person) {
	l.Helper()
	if _, err := stand.Call(l.Context(), "POST", shared.Nginx.URL+"/v1/chatrooms/users", "", map[string]string{"name": name}, &p); err != nil {
		l.Fatal(err)
	}
	return p
}

func (l *load) newRoom(name string) int64 {
	l.Helper()
	var room struct{ ID int64 }
	if _, err := stand.Call(l.Context(), "POST", shared.Nginx.URL+"/v1/chatrooms", l.someone.Token, map[string]string{"name": l.word + " " + name}, &room); err != nil {
		l.Fatal(err)
	}
	return room.ID
}

func (l *load) end() {
	l.stop()
	l.running.Wait()
}

// goOn lets the run go on for a time.
func (l *load) goOn(d time.Duration) { wait(l.Context(), d) }

// await waits until something holds.
func (l *load) await(what string, holds func() error) {
	l.Helper()
	began := time.Now()
	defer func() {
		if took := time.Since(began); took > time.Second {
			l.Logf("waited %v for %s", took.Round(time.Second/10), what)
		}
	}()
	ctx, cancel := context.WithTimeout(l.Context(), patience)
	defer cancel()
	for {
		err := holds()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			l.report()
			l.Fatalf("waited %v in vain for %s: %v", patience, what, err)
		}
		wait(ctx, 100*time.Millisecond)
	}
}

func (l *load) report() {
	l.Helper()
	for _, v := range l.ledger.violations() {
		l.Error(v)
	}
}

// sum adds a counter of all clients.
func (l *load) sum(of func(*client) int64) (n int64) {
	for _, c := range l.clients {
		n += of(c)
	}
	return n
}

// settle lets everybody be quiet and waits until all sends are acked and everybody
// has got what was said in his rooms.
func (l *load) settle() {
	l.Helper()
	l.quiet()
	l.await("all acks and deliveries", func() error {
		heads, _ := l.ledger.heads()
		for _, c := range l.clients {
			if err := c.caughtUp(heads); err != nil {
				return err
			}
		}
		return nil
	})
}

// check judges the whole run: the records of the clients, who is where, and that
// every ack can be read and found, once.
func (l *load) check() {
	l.Helper()
	l.settle()
	_, acks := l.ledger.heads()
	total := 0
	for _, n := range acks {
		total += n
	}
	in := slices.Collect(maps.Keys(acks))
	l.await("every ack to be a document", func() error {
		if got := l.documents(in); got != total {
			return fmt.Errorf("got %d documents for %d acks", got, total)
		}
		return nil
	})
	for _, room := range l.rooms {
		l.await("every ack to be found", func() error { return l.found(room, acks[room]) })
		l.whole(room, acks[room])
		l.await("the user list to be true", func() error { return l.listed(room) })
	}
	l.report()
	l.Logf("%d acks in %d rooms; %d refusals, %d cuts, %d resets, %d gaps", total, len(l.rooms),
		l.sum(func(c *client) int64 { return c.refused.Load() }), l.sum(func(c *client) int64 { return c.cut.Load() }),
		l.sum(func(c *client) int64 { return c.reset.Load() }), l.sum(func(c *client) int64 { return c.gaps.Load() }))
	if total == 0 {
		l.Error("nothing was said")
	}
}

// documents counts what Elasticsearch holds of these rooms, which are the run's own:
// what the run before has said may still come.
func (l *load) documents(in []int64) int {
	var count struct{ Count int }
	es := shared.services.Elasticsearch.URL
	for _, ask := range []struct {
		path string
		body any
	}{
		{"/messages/_refresh", nil},
		{"/messages/_count", map[string]any{"query": map[string]any{"terms": map[string]any{"chatroom": in}}}},
	} {
		response, err := stand.Call(l.Context(), "POST", es+ask.path, "", ask.body, &count)
		if response != nil && response.StatusCode == http.StatusNotFound {
			return 0 // nothing was indexed yet
		}
		if err != nil {
			return -1
		}
	}
	return count.Count
}

// found compares the hits of a search for the run's word with the acks.
func (l *load) found(room int64, acks int) error {
	hits, err := l.search(room)
	if err == nil && hits != acks {
		err = fmt.Errorf("got %d hits for %d acks in room %d", hits, acks, room)
	}
	return err
}

// foundAtLeast is found for a room in which people still talk.
func (l *load) foundAtLeast(room int64, acks int) error {
	hits, err := l.search(room)
	if err == nil && hits < acks {
		err = fmt.Errorf("got %d hits for %d acks in room %d", hits, acks, room)
	}
	return err
}

// search counts the messages of the run that are found in a room.
func (l *load) search(room int64) (total int, err error) {
	var hits struct{ Total int }
	at := fmt.Sprintf("%s/v1/chatrooms/%d/messages/search?q=%s", shared.Nginx.URL, room, url.QueryEscape(l.word))
	_, err = stand.Call(l.Context(), "GET", at, l.someone.Token, nil, &hits)
	return hits.Total, err
}

// whole reads a room from its beginning: each ack once.
func (l *load) whole(room int64, acks int) {
	l.Helper()
	read, after := 0, int64(0)
	for {
		var page struct {
			Messages []message
			Next     *int64
		}
		at := fmt.Sprintf("%s/v1/chatrooms/%d/messages?limit=500&after=%d", shared.Nginx.URL, room, after)
		if _, err := stand.Call(l.Context(), "GET", at, l.someone.Token, nil, &page); err != nil {
			l.Error(err)
			return
		}
		for _, m := range page.Messages {
			if m.Seq <= after {
				l.Errorf("got %+v behind seq %d", m, after)
			}
			after = m.Seq
			l.ledger.see(m)
		}
		read += len(page.Messages)
		if page.Next == nil {
			break
		}
	}
	if read != acks {
		l.Errorf("room %d: got %d messages by HTTP, want the %d acked ones", room, read, acks)
	}
}

// listed compares a room's user list, as each server gives it, with who is there.
func (l *load) listed(room int64) error { return l.listedAt(room, shared.Direct().URLs) }

// listedAt is listed on some servers.
func (l *load) listedAt(room int64, bases []string) error {
	want := []string{}
	for _, c := range l.clients {
		if slices.Contains(c.isIn(), room) {
			want = append(want, c.Name)
		}
	}
	slices.Sort(want)
	for _, base := range bases {
		var list struct {
			Count int
			Users []struct{ Name string }
		}
		if _, err := stand.Call(l.Context(), "GET", fmt.Sprintf("%s/v1/chatrooms/%d/users?limit=500", base, room), "", nil, &list); err != nil {
			return err
		}
		got := map[string]bool{}
		for _, u := range list.Users {
			got[u.Name] = true
		}
		if names := slices.Sorted(maps.Keys(got)); list.Count != len(want) || !slices.Equal(names, want) {
			return fmt.Errorf("%s lists %d users in room %d, %q, want %q", base, list.Count, room, names, want)
		}
	}
	return nil
}
