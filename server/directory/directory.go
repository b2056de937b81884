// Package directory finds users and rooms by what never changes of them, through
// a cache, so that a storm of joins asks the store for each of them once.
package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/store"
)

// Store is what the directory asks.
type Store interface {
	FindRoom(ctx context.Context, id bw.RoomID) (store.RoomCount, error)
	EnsureUser(ctx context.Context, name bw.Name) (bw.User, error)
}

// Times to live in the cache. That there is no such room is worth little: it can
// be made at any moment.
const (
	keepFound  = 10 * time.Minute
	keepAbsent = 2 * time.Second
	loadLimit  = 5 * time.Second
)

// Directory knows users and rooms.
type Directory struct {
	store Store
	rooms *cache.Loader[bw.Room]
	users *cache.Loader[bw.User]
}

// New makes a directory; store and cache stay the caller's. What goes wrong
// with the cache is logged and survived.
func New(s Store, c cache.Cache, log *slog.Logger) *Directory {
	return &Directory{store: s, rooms: newLoader[bw.Room](c, log), users: newLoader[bw.User](c, log)}
}

func newLoader[T any](c cache.Cache, log *slog.Logger) *cache.Loader[T] {
	return cache.NewLoader(c, cache.LoaderConfig[T]{
		OnCacheError: func(err error) { log.Debug("the cache failed", "error", err) },
		TTL:          keepFound, NegativeTTL: keepAbsent, Timeout: loadLimit,
		Encode: func(v T) ([]byte, error) { return json.Marshal(v) },
		Decode: func(b []byte) (v T, err error) { err = json.Unmarshal(b, &v); return v, err },
	})
}

// Close ends what is being loaded.
func (d *Directory) Close() {
	d.rooms.Close()
	d.users.Close()
}

// FindRoom fails with NoSuchRoom if there is none.
func (d *Directory) FindRoom(ctx context.Context, id bw.RoomID) (bw.Room, error) {
	room, found, err := d.rooms.Get(ctx, roomKey(id), func(ctx context.Context) (bw.Room, bool, error) {
		found, err := d.store.FindRoom(ctx, id)
		if bw.KindOf(err) == bw.NoSuchRoom {
			return bw.Room{}, false, nil
		}
		return found.Room, err == nil, err
	})
	switch {
	case err != nil:
		return bw.Room{}, failure(err, "rooms cannot be looked up now")
	case !found:
		return bw.Room{}, bw.Errorf(bw.NoSuchRoom, "there is no room %d", id)
	}
	return room, nil
}

// RoomCreated makes a room known at once, also where its absence was.
func (d *Directory) RoomCreated(ctx context.Context, room bw.Room) {
	// The absence would be forgotten by itself soon.
	_ = d.rooms.Invalidate(ctx, roomKey(room.ID))
}

// EnsureUser returns the user of a name and makes it if there is none.
func (d *Directory) EnsureUser(ctx context.Context, name bw.Name) (bw.User, error) {
	user, _, err := d.users.Get(ctx, "user:"+string(name), func(ctx context.Context) (bw.User, bool, error) {
		user, err := d.store.EnsureUser(ctx, name)
		return user, err == nil, err
	})
	if err != nil {
		return bw.User{}, failure(err, "users cannot be looked up now")
	}
	return user, nil
}

func roomKey(id bw.RoomID) string { return "room:" + strconv.FormatInt(int64(id), 10) }

// failure keeps an error's kind and gives one to what has none, such as a
// caller's deadline.
func failure(err error, detail string) error {
	if bw.KindOf(err) != bw.Internal {
		return err
	}
	return bw.Unavailablef(fmt.Errorf("directory: %w", err), "%s", detail)
}
