package janitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/server/lease"
	"github.com/breakwater-chat/breakwater/store"
)

const (
	ttl   = 15 * time.Second
	grace = 5 * time.Second
)

var errAway = bw.Unavailablef(errors.New("no route"), "the store is away")

// world is a store of leases, memberships and departures, and the rooms' ears.
type world struct {
	mu   sync.Mutex
	away bool // every call fails
	// fail says of a call of that name, after it was done, what its answer is.
	fail func(call string) error

	incarnations bw.Incarnation
	servers      map[bw.Incarnation]*server
	members      []member
	departures   []*departure
	nextID       int64

	deaf bool               // announcements fail
	told map[int64][]string // by departure, who was told gone, and where
}

type server struct {
	id    bw.ServerID
	until time.Time
	died  time.Time // zero while it lives
}

type member struct {
	room bw.RoomID
	user bw.Name
	of   bw.Incarnation
}

type departure struct {
	store.Departure
	claimed time.Time
}

func newWorld() *world {
	return &world{servers: map[bw.Incarnation]*server{}, told: map[int64][]string{}, fail: func(string) error { return nil }}
}

// do is one call.
func (w *world) do(ctx context.Context, call string, f func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return errAway
	}
	if ctx.Err() != nil {
		return bw.Unavailablef(ctx.Err(), "too late")
	}
	if err := f(); err != nil {
		return err
	}
	return w.fail(call)
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// Register implements lease.Leases.
func (w *world) Register(ctx context.Context, id bw.ServerID, ttl time.Duration) (got store.Identity, err error) {
	err = w.do(ctx, "register", func() error {
		for _, s := range w.servers {
			if s.id == id && s.died.IsZero() {
				s.died = time.Now()
			}
		}
		w.incarnations++
		w.servers[w.incarnations] = &server{id: id, until: time.Now().Add(ttl)}
		got = store.Identity{Server: id, Incarnation: w.incarnations}
		return nil
	})
	return got, err
}

// Succeed implements lease.Leases. No two servers here have one name.
func (w *world) Succeed(ctx context.Context, former store.Identity, ttl time.Duration) (store.Identity, error) {
	return w.Register(ctx, former.Server, ttl)
}

// Renew implements lease.Leases.
func (w *world) Renew(ctx context.Context, id store.Identity, ttl time.Duration) error {
	return w.do(ctx, "renew", func() error {
		s := w.servers[id.Incarnation]
		if s == nil || !s.died.IsZero() {
			return store.ErrFenced
		}
		s.until = time.Now().Add(ttl)
		return nil
	})
}

// Release implements lease.Leases.
func (w *world) Release(ctx context.Context, id store.Identity) error {
	return w.do(ctx, "release", func() error {
		w.servers[id.Incarnation].died = time.Now()
		return nil
	})
}

// ExpireLeases implements Leases.
func (w *world) ExpireLeases(ctx context.Context) (dead []store.Identity, err error) {
	err = w.do(ctx, "expire", func() error {
		for incarnation, s := range w.servers {
			if s.died.IsZero() && s.until.Before(time.Now()) {
				s.died = time.Now()
				dead = append(dead, store.Identity{Server: s.id, Incarnation: incarnation})
			}
		}
		return nil
	})
	return dead, err
}

// DeleteOrphans implements Leases.
func (w *world) DeleteOrphans(ctx context.Context, grace time.Duration, limit int) (b store.Burial, err error) {
	err = w.do(ctx, "bury", func() error {
		for i := 0; i < len(w.members); i++ {
			m := w.members[i]
			s := w.servers[m.of]
			if s.died.IsZero() || time.Since(s.died) < grace {
				continue
			}
			if b.Removed == limit {
				b.More = true
				break
			}
			b.Removed++
			w.members = slices.Delete(w.members, i, i+1)
			i--
			if !w.isIn(m.room, m.user) {
				w.nextID++
				w.departures = append(w.departures, &departure{Departure: store.Departure{ID: w.nextID, Room: m.room, User: m.user, Version: w.nextID}})
			}
		}
		return nil
	})
	return b, err
}

func (w *world) isIn(room bw.RoomID, user bw.Name) bool {
	return slices.ContainsFunc(w.members, func(m member) bool { return m.room == room && m.user == user })
}

// ClaimDepartures implements Leases.
func (w *world) ClaimDepartures(ctx context.Context, hold time.Duration, limit int) (all []store.Departure, err error) {
	err = w.do(ctx, "claim", func() error {
		w.departures = slices.DeleteFunc(w.departures, func(d *departure) bool { return w.isIn(d.Room, d.User) })
		for _, d := range w.departures {
			if len(all) < limit && (d.claimed.IsZero() || time.Since(d.claimed) >= hold) {
				d.claimed = time.Now()
				all = append(all, d.Departure)
			}
		}
		return nil
	})
	return all, err
}

// ForgetDepartures implements Leases.
func (w *world) ForgetDepartures(ctx context.Context, ids []int64) error {
	return w.do(ctx, "forget", func() error {
		w.departures = slices.DeleteFunc(w.departures, func(d *departure) bool { return slices.Contains(ids, d.ID) })
		return nil
	})
}

// Announce implements Announcer.
func (w *world) Announce(_ context.Context, notices []broker.Notice) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deaf {
		return bw.Unavailablef(nil, "nobody hears")
	}
	for _, n := range notices {
		w.told[n.ID] = append(w.told[n.ID], fmt.Sprintf("%v in %d", n.Left, n.Room))
	}
	return w.fail("announce")
}

// enter puts users into a room by a server.
func (w *world) enter(id store.Identity, room bw.RoomID, users ...bw.Name) {
	w.set(func() {
		for _, user := range users {
			w.members = append(w.members, member{room, user, id.Incarnation})
		}
	})
}

// gone is who was told to be gone, and how often, whatever they were called.
func (w *world) gone() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]int{}
	for _, told := range w.told {
		for _, who := range told {
			all[who]++
		}
	}
	return all
}

// isDead tells whether an incarnation was declared dead.
func (w *world) isDead(id store.Identity) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.servers[id.Incarnation].died.IsZero()
}

func (w *world) wantGone(t *testing.T, want map[string]int) {
	t.Helper()
	if got := w.gone(); !maps.Equal(got, want) {
		t.Errorf("got %v told to be gone, want %v", got, want)
	}
}

func (w *world) wantMembers(t *testing.T, want int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.members) != want {
		t.Errorf("got %d memberships, want %d", len(w.members), want)
	}
}

// node is a server with its lease and its janitor.
type node struct {
	*lease.Keeper
	*Janitor
}

// steady, if it is given, stands for the keeper's own opinion.
func (w *world) start(t *testing.T, name bw.ServerID, steady func() bool) node {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	k, err := lease.Take(t.Context(), lease.Config{Server: name, TTL: ttl, Registerer: prometheus.NewRegistry(), Log: log}, w)
	if err != nil {
		t.Fatal(err)
	}
	if steady == nil {
		steady = k.Steady
	}
	j := New(Config{Leases: w, Broker: w, Steady: steady, Grace: grace, Registerer: prometheus.NewRegistry(), Log: log})
	j.Start()
	return node{k, j}
}

func (n node) stop() {
	_ = n.Close()
	_ = n.Release()
}

// kill ends a server without a word to the store.
func (n node) kill(w *world) {
	_ = n.Close()
	w.set(func() { w.away = true })
	_ = n.Release()
	w.set(func() { w.away = false })
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
