package directory

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/cache/memcache"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/sqlitestore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openStore is a store that production has, too.
func openStore(t *testing.T) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: filepath.Join(t.TempDir(), "store.db")})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return s
}

// open makes a directory over a store that is watched, with a cache of its own.
func open(t *testing.T, s Store) (*Directory, *watched) {
	t.Helper()
	return openWith(t, s, newCache(t))
}

func newCache(t *testing.T) *memcache.Cache {
	t.Helper()
	c := memcache.New(memcache.Config{})
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close the cache: %v", err)
		}
	})
	return c
}

func openWith(t *testing.T, s Store, caches ...cache.Cache) (*Directory, *watched) {
	t.Helper()
	w := &watched{Store: s}
	d := New(w, caches, slog.New(slog.DiscardHandler))
	t.Cleanup(d.Close)
	return d, w
}

// watched counts what a store is asked, and fails or waits when told to.
type watched struct {
	Store

	mu    sync.Mutex // guards the rest
	asked int
	err   error
	// hold keeps a question, after its answer is known, until it is closed or
	// the asking ends.
	hold chan struct{}
}

func (w *watched) set(change func(*watched)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
}

// question notes one, and gives the error to answer with and what to wait for.
func (w *watched) question() (hold chan struct{}, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	return w.hold, w.err
}

func (w *watched) FindRoom(ctx context.Context, id bw.RoomID) (store.RoomCount, error) {
	return ask(ctx, w, func() (store.RoomCount, error) { return w.Store.FindRoom(ctx, id) })
}

func (w *watched) EnsureUser(ctx context.Context, name bw.Name) (bw.User, error) {
	return ask(ctx, w, func() (bw.User, error) { return w.Store.EnsureUser(ctx, name) })
}

func ask[T any](ctx context.Context, w *watched, question func() (T, error)) (answer T, err error) {
	hold, err := w.question()
	if err != nil {
		return answer, err
	}
	answer, err = question()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return answer, ctx.Err()
		}
	}
	return answer, err
}

func wantAsked(t *testing.T, w *watched, want int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked != want {
		t.Errorf("questions to the store: got %d, want %d", w.asked, want)
	}
	w.asked = 0
}

func wantUser(t *testing.T, d *Directory, want bw.User) {
	t.Helper()
	if got, err := d.EnsureUser(t.Context(), want.Name); err != nil || got != want {
		t.Errorf("user: got %+v and %v, want %+v", got, err, want)
	}
}

func wantRoom(t *testing.T, d *Directory, want bw.Room) {
	t.Helper()
	if got, err := d.FindRoom(t.Context(), want.ID); err != nil || got != want {
		t.Errorf("room: got %+v and %v, want %+v", got, err, want)
	}
}

func wantNoRoom(t *testing.T, d *Directory, id bw.RoomID) {
	t.Helper()
	if got, err := d.FindRoom(t.Context(), id); bw.KindOf(err) != bw.NoSuchRoom || got != (bw.Room{}) {
		t.Errorf("room %d: got %+v and %v, want no_such_room", id, got, err)
	}
}

// memory is a store without files, for bubbles of time.
type memory struct {
	mu    sync.Mutex // guards the rest
	rooms map[bw.RoomID]bw.Room
	users map[bw.Name]bw.User
}

func newMemory() *memory {
	return &memory{rooms: map[bw.RoomID]bw.Room{}, users: map[bw.Name]bw.User{}}
}

func (m *memory) create(room bw.Room) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rooms[room.ID] = room
}

func (m *memory) FindRoom(_ context.Context, id bw.RoomID) (store.RoomCount, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	room, ok := m.rooms[id]
	if !ok {
		return store.RoomCount{}, bw.Errorf(bw.NoSuchRoom, "no room %d", id)
	}
	return store.RoomCount{Room: room, Users: 7}, nil
}

func (m *memory) EnsureUser(_ context.Context, name bw.Name) (bw.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	user, ok := m.users[name]
	if !ok {
		user = bw.User{ID: bw.UserID(len(m.users) + 1), Name: name, CreatedAt: 1}
		m.users[name] = user
	}
	return user, nil
}

var errCache = errors.New("the cache is down")

// brokenCache is one that can neither keep nor find anything.
type brokenCache struct{}

func (brokenCache) Get(context.Context, string) ([]byte, bool, error)        { return nil, false, errCache }
func (brokenCache) Set(context.Context, string, []byte, time.Duration) error { return errCache }
func (brokenCache) Mark(context.Context, string) (cache.Mark, error)         { return "", errCache }
func (brokenCache) SetSince(context.Context, cache.Mark, string, []byte, time.Duration) error {
	return errCache
}
func (brokenCache) Delete(context.Context, ...string) error { return errCache }
func (brokenCache) Close() error                            { return nil }
