package cluster

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// seats are people who sit in one room, each on a server of the test's choice, and
// chat there; they hear who comes and goes.
type seats struct {
	*load
	room int64
	at   [][]*client // by server
}

// seat fills a room with so many people on each server, and waits until all are there
// and have heard it.
func (l *load) seat(each int) *seats {
	l.Helper()
	s := &seats{load: l, room: l.newRoom("seats"), at: make([][]*client, len(shared.Servers))}
	l.rooms = append(l.rooms, s.room)
	for i, server := range shared.Servers {
		for j := range each {
			c := newClient(l.ledger, l.signUp(fmt.Sprintf("%s seat %d.%d", l.word, i, j)), server.URL, l.word, []int64{s.room}, l.rng.Uint64(), 200*time.Millisecond)
			c.sits = true
			s.at[i] = append(s.at[i], c)
			l.enter(c)
		}
	}
	l.await("everybody to have a seat", func() error { return l.listed(s.room) })
	l.await("everybody to be in the room", func() error {
		for _, c := range s.all() {
			if len(c.isIn()) == 0 {
				return fmt.Errorf("%s is not", c.Name)
			}
		}
		return l.listed(s.room)
	})
	l.goOn(3 * time.Second) // what was told last has been heard
	for _, c := range s.all() {
		c.forget()
	}
	return s
}

func (s *seats) all() []*client { return slices.Concat(s.at...) }

// forget begins a new record of who comes and goes.
func (c *client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = nil
}

// told counts how often somebody was heard to come and to go.
func (c *client) told(room int64) (came, went map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	came, went = map[string]int{}, map[string]int{}
	for _, p := range c.heard {
		if p.room != room {
			continue
		}
		for _, name := range p.joined {
			came[name]++
		}
		for _, name := range p.left {
			went[name]++
		}
	}
	return came, went
}

// watch asks a server for the room's user list again and again, until stop is called,
// and holds it to have these people every time.
func (s *seats) watch(server int, people []*client) (stop func()) {
	ctx, cancel := context.WithCancel(s.Context())
	var watching sync.WaitGroup
	at := fmt.Sprintf("%s/v1/chatrooms/%d/users?limit=500", shared.Servers[server].URL, s.room)
	lists := 0
	watching.Go(func() {
		for ; ctx.Err() == nil; wait(ctx, 100*time.Millisecond) {
			var list struct{ Users []struct{ Name string } }
			if answer, err := stand.Call(ctx, "GET", at, "", nil, &list); err != nil {
				if answer != nil && answer.StatusCode == http.StatusServiceUnavailable {
					continue // a loaded machine keeps MySQL from its answer; to wait is no lie
				}
				if ctx.Err() == nil {
					s.Error(err)
				}
				return
			}
			lists++
			for _, c := range people {
				if !slices.ContainsFunc(list.Users, func(u struct{ Name string }) bool { return u.Name == c.Name }) {
					s.Errorf("server %d lists the room without %s, who is there", server+1, c.Name)
					return
				}
			}
		}
	})
	return func() {
		cancel()
		if watching.Wait(); lists == 0 {
			s.Errorf("server %d never gave a list of the room", server+1)
		}
	}
}

// within fails unless something holds after a time at most, with what a loaded machine
// adds.
func (l *load) within(limit time.Duration, what string, holds func() error) {
	l.Helper()
	began := time.Now()
	l.await(what, holds)
	if took := time.Since(began); took > limit+lease/2 {
		l.Errorf("%s: took %v, want %v at most", what, took, limit)
	}
}

// query reads one number from MySQL.
func (l *load) query(db *sql.DB, statement string, args ...any) (n int64) {
	l.Helper()
	if err := db.QueryRowContext(l.Context(), statement, args...).Scan(&n); err != nil {
		l.Fatalf("%s: %v", statement, err)
	}
	return n
}

// orphans counts the memberships whose server is not alive.
const orphans = "SELECT COUNT(*) FROM memberships WHERE incarnation NOT IN (SELECT incarnation FROM servers WHERE state = 'live')"

// openMySQL looks into the cluster's database.
func (l *load) openMySQL() *sql.DB {
	l.Helper()
	db, err := sql.Open("mysql", shared.services.MySQL.URL)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = db.Close() })
	return db
}

// haunt makes a server that lives for an hour and does nothing, with many rooms and
// people of its own in each. It returns its incarnation.
func (l *load) haunt(db *sql.DB, halls, each int) (incarnation int64) {
	l.Helper()
	insert := func(head string, rows []string) (first int64) {
		l.Helper()
		for part := range slices.Chunk(rows, 5_000) {
			made, err := db.ExecContext(l.Context(), head+" VALUES "+strings.Join(part, ","))
			if err != nil {
				l.Fatalf("%s: %v", head, err)
			}
			if id, _ := made.LastInsertId(); first == 0 {
				first = id
			}
		}
		return first
	}
	incarnation = insert("INSERT INTO servers (id, lease_until, state)", []string{fmt.Sprintf("('ghost of %s', %d, 'live')", l.word, time.Now().Add(time.Hour).UnixMilli())})
	var names, rooms, memberships, presences, counts []string
	for i := range each {
		names = append(names, fmt.Sprintf("('%s ghost %d', 1)", l.word, i))
	}
	for i := range halls {
		rooms = append(rooms, fmt.Sprintf("('%s hall %d', 1)", l.word, i))
	}
	user, room := insert("INSERT INTO users (name, created_at)", names), insert("INSERT INTO rooms (name, created_at)", rooms)
	for i := range int64(halls) {
		counts = append(counts, fmt.Sprintf("(%d, %d, 1)", room+i, each))
		for j := range int64(each) {
			memberships = append(memberships, fmt.Sprintf("(%d, %d, %d, %d)", room+i, user+j, incarnation, i))
			presences = append(presences, fmt.Sprintf("(%d, %d, 1, 1)", room+i, user+j))
		}
	}
	insert("INSERT INTO room_counts (room, users, version)", counts)
	insert("INSERT INTO presences (room, user, connections, joined_at)", presences)
	insert("INSERT INTO memberships (room, user, incarnation, connection)", memberships)
	return incarnation
}
