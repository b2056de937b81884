package directory

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/store"
)

// crowd is a store without files that knows who is where; it counts what is read
// and holds reads, after they have seen the truth, when told to.
type crowd struct {
	store.Store // what is not needed

	mu      sync.Mutex // guards the rest
	rooms   []bw.Room
	present map[bw.RoomID][]bw.UserID
	reads   map[string]int
	hold    chan struct{}
	// applyErr fails batches that are written.
	applyErr error
}

func newCrowd(rooms int) *crowd {
	c := &crowd{present: map[bw.RoomID][]bw.UserID{}, reads: map[string]int{}}
	for range rooms {
		_, _ = c.CreateRoom(context.Background(), "room")
	}
	return c
}

func (c *crowd) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// read counts one, answers it, and holds the answer back.
func read[T any](ctx context.Context, c *crowd, what string, answer func() T) (T, error) {
	c.mu.Lock()
	c.reads[what]++
	value, hold := answer(), c.hold
	c.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return value, ctx.Err()
		}
	}
	return value, nil
}

// asked gives how often something was read since the last time.
func (c *crowd) asked(what string) (n int) {
	c.set(func() { n = c.reads[what]; c.reads[what] = 0 })
	return n
}

func (c *crowd) count(room bw.Room) store.RoomCount {
	return store.RoomCount{Room: room, Users: len(c.present[room.ID])}
}

func (c *crowd) FindRoom(ctx context.Context, id bw.RoomID) (store.RoomCount, error) {
	room, err := read(ctx, c, "room", func() store.RoomCount {
		if id < 1 || int(id) > len(c.rooms) {
			return store.RoomCount{}
		}
		return c.count(c.rooms[id-1])
	})
	if err == nil && room.ID == 0 {
		err = bw.Errorf(bw.NoSuchRoom, "no room %d", id)
	}
	return room, err
}

func (c *crowd) ListRooms(ctx context.Context, after bw.RoomID, limit int) ([]store.RoomCount, error) {
	return read(ctx, c, "list", func() (list []store.RoomCount) {
		for _, room := range c.rooms {
			if room.ID > after && len(list) < limit {
				list = append(list, c.count(room))
			}
		}
		return list
	})
}

func (c *crowd) ListOccupants(ctx context.Context, room bw.RoomID, after bw.UserID, limit int) (store.Occupants, error) {
	return read(ctx, c, "users", func() store.Occupants {
		o := store.Occupants{Count: len(c.present[room])}
		for _, user := range c.present[room] {
			if user > after && len(o.Users) < limit {
				o.Users = append(o.Users, store.Occupant{User: bw.User{ID: user, Name: "user"}, JoinedAt: 1})
			}
		}
		return o
	})
}

func (c *crowd) CreateRoom(_ context.Context, name bw.Name) (bw.Room, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	room := bw.Room{ID: bw.RoomID(len(c.rooms) + 1), Name: name, CreatedAt: 1}
	c.rooms = append(c.rooms, room)
	return room, nil
}

// ApplyChanges takes one connection a user.
func (c *crowd) ApplyChanges(_ context.Context, _ store.Identity, _ int64, batch []store.Change) ([]store.Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	outcomes := make([]store.Outcome, len(batch))
	for i, change := range batch {
		at, in := slices.BinarySearch(c.present[change.Room], change.User)
		switch outcomes[i].Changed = in == change.Leave; {
		case !outcomes[i].Changed:
		case change.Leave:
			c.present[change.Room] = slices.Delete(c.present[change.Room], at, at+1)
		default:
			c.present[change.Room] = slices.Insert(c.present[change.Room], at, change.User)
		}
	}
	if c.applyErr != nil {
		return nil, c.applyErr
	}
	return outcomes, nil
}

// DeleteOrphans empties every room.
func (c *crowd) DeleteOrphans(context.Context, time.Duration, int) (b store.Burial, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for room, users := range c.present {
		if len(users) > 0 {
			b.Removed += len(users)
			b.Rooms = append(b.Rooms, room)
		}
	}
	clear(c.present)
	return b, nil
}

func (c *crowd) Close() error { return nil }

// side is one of several servers over one store and one cache.
type side struct {
	*testing.T
	*CachedStore
	names *Directory
}

func openSide(t *testing.T, s store.Store, c cache.Cache, near ...cache.Cache) *side {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	v := &side{t, NewCachedStore(s, c, log), New(s, append(near, c), log)}
	t.Cleanup(func() {
		v.names.Close()
		if err := v.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return v
}

func openSides(t *testing.T, s store.Store, c cache.Cache) (one, two *side) {
	t.Helper()
	return openSide(t, s, c), openSide(t, s, c)
}

func (v *side) change(changes ...store.Change) {
	v.Helper()
	if _, err := v.ApplyChanges(context.Background(), store.Identity{}, 1, changes); err != nil {
		v.Errorf("apply: %v", err)
	}
}

func (v *side) join(room bw.RoomID, user bw.UserID) { v.change(store.Change{Room: room, User: user}) }

func (v *side) leave(room bw.RoomID, user bw.UserID) {
	v.change(store.Change{Room: room, User: user, Leave: true})
}

// wantUsers checks the user list of a room, and its count.
func (v *side) wantUsers(room bw.RoomID, want ...bw.UserID) {
	v.Helper()
	o, err := v.ListOccupants(context.Background(), room, 0, 100)
	var got []bw.UserID
	for _, u := range o.Users {
		got = append(got, u.ID)
	}
	if err != nil || !slices.Equal(got, want) || o.Count != len(want) {
		v.Errorf("users of room %d: got %v, counted %d, %v, want %v", room, got, o.Count, err, want)
	}
	if r, err := v.FindRoom(context.Background(), room); err != nil || r.Users != len(want) || r.ID != room {
		v.Errorf("room %d: got %+v, %v, want %d users", room, r, err, len(want))
	}
}

// wantList checks how many users each room of the list has.
func (v *side) wantList(want ...int) {
	v.Helper()
	list, err := v.ListRooms(context.Background(), 0, 100)
	var got []int
	for _, r := range list {
		got = append(got, r.Users)
	}
	if err != nil || !slices.Equal(got, want) {
		v.Errorf("list of rooms: got %v users, %v, want %v", got, err, want)
	}
}

// flaky is a server's view of a cache across a network: it can be away or hang, and
// it can be without marks.
type flaky struct {
	cache.Cache
	away, hangs atomic.Bool
	markless    bool
}

func (f *flaky) err(ctx context.Context) error {
	if f.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if f.away.Load() {
		return errCache
	}
	return ctx.Err()
}

func (f *flaky) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if err := f.err(ctx); err != nil {
		return nil, false, err
	}
	return f.Cache.Get(ctx, key)
}

func (f *flaky) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := f.err(ctx); err != nil {
		return err
	}
	return f.Cache.Set(ctx, key, value, ttl)
}

func (f *flaky) Mark(ctx context.Context, key string) (cache.Mark, error) {
	if err := f.err(ctx); err != nil {
		return "", err
	}
	if f.markless {
		return "m", nil
	}
	return f.Cache.Mark(ctx, key)
}

func (f *flaky) SetSince(ctx context.Context, mark cache.Mark, key string, value []byte, ttl time.Duration) error {
	if err := f.err(ctx); err != nil {
		return err
	}
	if f.markless {
		return f.Cache.Set(ctx, key, value, ttl)
	}
	return f.Cache.SetSince(ctx, mark, key, value, ttl)
}

func (f *flaky) Delete(ctx context.Context, keys ...string) error {
	if err := f.err(ctx); err != nil {
		return err
	}
	return f.Cache.Delete(ctx, keys...)
}
