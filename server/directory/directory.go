// Package directory answers questions about users and rooms out of caches, so
// that a storm of people asks the store for each thing once.
//
// A Directory knows what never changes of them; a CachedStore is a store whose
// reads that people make over and over come from a cache, and whose writes make
// every server forget what they have changed before they return.
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

// Times to live of users and rooms, which never change. In the cache that all
// servers share they are known as long as a token usually lasts: who comes back
// with his token needs no store. That there is no such room is worth little: it
// can be made at any moment.
const (
	keepFound  = 24 * time.Hour
	keepNear   = 10 * time.Minute
	keepAbsent = 2 * time.Second
	loadLimit  = 5 * time.Second
)

// Directory knows users and rooms.
type Directory struct {
	store Store
	rooms cache.Tiers[bw.Room]
	users cache.Tiers[bw.User]
}

// New makes a directory; the store and the caches stay the caller's. The last
// cache is the one that all servers share; before it there may be one of this
// process, which spares the way to it. What goes wrong with a cache is logged and
// survived.
func New(s Store, caches []cache.Cache, log *slog.Logger) *Directory {
	return &Directory{store: s, rooms: newTiers[bw.Room](caches, log), users: newTiers[bw.User](caches, log)}
}

// Close ends what is being loaded.
func (d *Directory) Close() {
	d.rooms.Close()
	d.users.Close()
}

// FindRoom fails with NoSuchRoom if there is none.
func (d *Directory) FindRoom(ctx context.Context, id bw.RoomID) (bw.Room, error) {
	room, found, err := d.rooms.GetIf(ctx, roomKey(id), nil, func(ctx context.Context) (bw.Room, bool, error) {
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
		return bw.Room{}, noSuchRoom(id)
	}
	return room, nil
}

// EnsureUser returns the user of a name and makes it if there is none.
func (d *Directory) EnsureUser(ctx context.Context, name bw.Name) (bw.User, error) {
	user, _, err := d.users.GetIf(ctx, "user:"+string(name), nil, func(ctx context.Context) (bw.User, bool, error) {
		user, err := d.store.EnsureUser(ctx, name)
		return user, err == nil, err
	})
	if err != nil {
		return bw.User{}, failure(err, "users cannot be looked up now")
	}
	return user, nil
}

func roomKey(id bw.RoomID) string { return "room:" + strconv.FormatInt(int64(id), 10) }

func noSuchRoom(id bw.RoomID) error { return bw.Errorf(bw.NoSuchRoom, "there is no room %d", id) }

// failure keeps an error's kind and gives one to what has none, such as a
// caller's deadline.
func failure(err error, detail string) error {
	if bw.KindOf(err) != bw.Internal {
		return err
	}
	return bw.Unavailablef(fmt.Errorf("directory: %w", err), "%s", detail)
}

func newTiers[T any](caches []cache.Cache, log *slog.Logger) (t cache.Tiers[T]) {
	for i, c := range caches {
		found, absent := keepNear, time.Duration(0) // nobody could tell it of a new room
		if i == len(caches)-1 {
			found, absent = keepFound, keepAbsent
		}
		t = append(t, newLoader[T](c, found, absent, log))
	}
	return t
}

// newLoader makes one that keeps values as JSON.
func newLoader[T any](c cache.Cache, found, absent time.Duration, log *slog.Logger) *cache.Loader[T] {
	return cache.NewLoader(c, cache.LoaderConfig[T]{
		TTL: found, NegativeTTL: absent, Timeout: loadLimit,
		Encode:       func(v T) ([]byte, error) { return json.Marshal(v) },
		Decode:       func(b []byte) (v T, err error) { err = json.Unmarshal(b, &v); return v, err },
		OnCacheError: func(err error) { log.Debug("the cache failed", "error", err) },
	})
}
