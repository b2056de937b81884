package mysqlstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/mysqlstore"
)

const modelRooms, modelUsers = 12, 8

// life is a server that changes rooms until it is told to stop, with what it has
// done. It repeats what was not answered.
type life struct {
	s  *mysqlstore.Store
	id store.Identity
	// in is what of it is in rooms.
	in map[store.Change]bool
	// told is shared by all.
	told     *told
	answered int
	refused  int
}

func (l *life) run(ctx context.Context, random *rand.Rand) error {
	for ctx.Err() == nil {
		batch := make([]store.Change, 40)
		for i := range batch {
			batch[i] = store.Change{
				Room: bw.RoomID(random.IntN(modelRooms) + 1), User: bw.UserID(random.IntN(modelUsers) + 1),
				Connection: bw.ConnectionID(random.IntN(3)), Leave: random.IntN(2) == 0,
			}
		}
		again := false
		for number := numbers.Add(1); ; again = true {
			outcomes, err := l.s.ApplyChanges(context.Background(), l.id, number, batch)
			if err == nil {
				l.told.add(batch, outcomes, again)
				break
			}
			if bw.KindOf(err) != bw.Unavailable {
				return fmt.Errorf("got error %w, want %s", err, bw.Unavailable)
			}
			l.refused++
			<-time.After(20 * time.Millisecond)
		}
		for _, c := range batch {
			there := !c.Leave
			c.Leave = false
			l.in[c] = there
		}
		l.answered++
	}
	return nil
}

// MySQL dies twice while three servers change the same rooms. What was answered
// is there, what was not is there wholly or not at all, all counts agree, and each
// beginning and end of a presence was told once: what was not answered is sent again.
func TestMySQLIsKilled(t *testing.T) {
	dsn, seed := database(t), rand.Uint64()
	t.Logf("seed %d", seed)
	idle := open(t, mysqlstore.Config{DSN: dsn})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer func() { stop(); running.Wait() }()
	lives, errs, all := make([]*life, 3), make([]error, 3), newTold()
	for i := range lives {
		s := open(t, mysqlstore.Config{DSN: dsn})
		lives[i] = &life{s: s, id: register(t, s, bw.ServerID(fmt.Sprint("s", i))), in: make(map[store.Change]bool), told: all}
		running.Go(func() { errs[i] = lives[i].run(ctx, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	for range 2 {
		<-time.After(time.Second)
		if err := server.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkAway(t, idle)
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "health", func() bool { return idle.Healthy(t.Context()) == nil })
	}
	<-time.After(time.Second)
	stop()
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i, l := range lives {
		t.Logf("server %d: %d batches answered, %d refused", i, l.answered, l.refused)
		if l.refused == 0 {
			t.Errorf("server %d has not noticed that MySQL was killed", i)
		}
	}
	checkTruth(t, idle, dsn, lives)
}

// checkAway checks that a store whose MySQL is away says so, before a call's time is
// over.
func checkAway(t *testing.T, s *mysqlstore.Store) {
	t.Helper()
	const within = 5 * time.Second
	for name, call := range map[string]func() error{
		"CreateUser":       func() error { _, err := s.CreateUser(t.Context(), "ann", nil); return err },
		"EnsureUser":       func() error { _, err := s.EnsureUser(t.Context(), "ann"); return err },
		"FindCredentials":  func() error { _, err := s.FindCredentials(t.Context(), "ann"); return err },
		"CreateRoom":       func() error { _, err := s.CreateRoom(t.Context(), "room"); return err },
		"FindRoom":         func() error { _, err := s.FindRoom(t.Context(), 1); return err },
		"ListRooms":        func() error { _, err := s.ListRooms(t.Context(), 0, 10); return err },
		"ListOccupants":    func() error { _, err := s.ListOccupants(t.Context(), 1, 0, 10); return err },
		"ApplyChanges":     func() error { _, err := s.ApplyChanges(t.Context(), store.Identity{}, 1, nil); return err },
		"Renew":            func() error { return s.Renew(t.Context(), store.Identity{}, time.Second) },
		"ExpireLeases":     func() error { _, err := s.ExpireLeases(t.Context()); return err },
		"DeleteOrphans":    func() error { _, err := s.DeleteOrphans(t.Context(), 0, 10); return err },
		"ClaimDepartures":  func() error { _, err := s.ClaimDepartures(t.Context(), time.Second, 10); return err },
		"ForgetDepartures": func() error { return s.ForgetDepartures(t.Context(), []int64{1}) },
		"Healthy":          func() error { return s.Healthy(t.Context()) },
	} {
		start := time.Now()
		err := call()
		if took := time.Since(start); bw.KindOf(err) != bw.Unavailable || took > within {
			t.Errorf("%s without MySQL: got error %v after %v, want %s within %v", name, err, took, bw.Unavailable, within)
		}
	}
}

// checkTruth compares the database with what the servers have done.
func checkTruth(t *testing.T, s *mysqlstore.Store, dsn string, lives []*life) {
	t.Helper()
	want, rows := make(map[bw.RoomID]map[bw.UserID]bool), 0
	for _, l := range lives {
		for c, there := range l.in {
			if !there {
				continue
			}
			rows++
			if want[c.Room] == nil {
				want[c.Room] = make(map[bw.UserID]bool)
			}
			want[c.Room][c.User] = true
		}
	}
	db := raw(t, dsn)
	if n := number(t, db, "SELECT count(*) FROM memberships"); n != rows {
		t.Errorf("got %d memberships, want %d", n, rows)
	}
	for i := range modelUsers {
		execute(t, db, "INSERT INTO users (id, name, created_at) VALUES (?, ?, 1)", i+1, fmt.Sprint("user ", i))
	}
	for room := bw.RoomID(1); room <= modelRooms; room++ {
		o, err := s.ListOccupants(t.Context(), room, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		var got []bw.UserID
		for _, u := range o.Users {
			got = append(got, u.ID)
		}
		if users := slices.Sorted(maps.Keys(want[room])); !slices.Equal(got, users) || o.Count != len(users) {
			t.Errorf("room %d: got users %v, counted as %d, want %v", room, got, o.Count, users)
		}
	}
	lives[0].told.check(t, func(p presence) bool { return want[p.room][p.user] })
	const disagreeing = `SELECT count(*) FROM presences p WHERE connections <>
		(SELECT count(*) FROM memberships m WHERE m.room = p.room AND m.user = p.user)`
	if n := number(t, db, disagreeing); n != 0 {
		t.Errorf("%d presences have another number of connections than memberships", n)
	}
}

// MySQL does not answer, though it is reachable: nobody waits longer than a call
// may take, and afterwards all is well by itself.
func TestMySQLIsFrozen(t *testing.T) {
	s := open(t, mysqlstore.Config{DSN: database(t)})
	if err := server.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := s.Healthy(t.Context()); bw.KindOf(err) != bw.Unavailable || time.Since(start) > 4*time.Second {
		t.Errorf("Healthy: got error %v after %v, want %s after a second", err, time.Since(start), bw.Unavailable)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start = time.Now()
	if _, err := s.FindRoom(ctx, 1); bw.KindOf(err) != bw.Unavailable || time.Since(start) > 4*time.Second {
		t.Errorf("FindRoom: got error %v after %v, want %s when its time is over", err, time.Since(start), bw.Unavailable)
	}
	start = time.Now()
	if _, err := s.CreateRoom(t.Context(), "room"); bw.KindOf(err) != bw.Unavailable || time.Since(start) > patience {
		t.Errorf("CreateRoom: got error %v after %v, want %s after 5 s", err, time.Since(start), bw.Unavailable)
	}
	if err := server.Unpause(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "health", func() bool { return s.Healthy(t.Context()) == nil })
}
