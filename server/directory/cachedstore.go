package directory

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/store"
)

// Times to live of what changes. The change itself makes all servers forget it;
// these are how old an answer can get when that has failed, because the cache was
// away for the server that made the change. The list of rooms changes with every
// coming and going anywhere, so it is only forgotten once in its time to live,
// which is as long as presence is coalesced.
const (
	keepPresent = 2 * time.Second
	keepList    = 250 * time.Millisecond
	forgetLimit = time.Second // of making the servers forget
)

// CachedStore is a store whose rooms, user lists and list of rooms are read
// through a cache that all servers share. Who asks after a write of any server
// has returned gets what is true since then, but for the numbers of users in the
// list of rooms, which may be 250 ms old.
//
// What is cached belongs to a scope, such as a room: its keys carry the mark of
// the scope's key. To forget all of a scope, whatever pages of it there are and
// are being loaded, is to delete that one key.
type CachedStore struct {
	store.Store
	cache cache.Cache
	log   *slog.Logger
	rooms *cache.Loader[store.RoomCount]
	users *cache.Loader[store.Occupants]
	lists *cache.Loader[[]store.RoomCount]
	// listForgotten is when this server made all forget the list of rooms, as the time
	// since began: the wall clock may jump.
	began         time.Time
	listForgotten atomic.Int64
}

var _ store.Store = (*CachedStore)(nil)

// NewCachedStore puts a cache in front of a store. The cache stays the caller's
// and must be the one that is the last of each Directory; closing the CachedStore
// closes the store.
func NewCachedStore(s store.Store, c cache.Cache, log *slog.Logger) *CachedStore {
	cached := &CachedStore{
		Store: s, cache: c, log: log, began: time.Now(),
		rooms: newLoader[store.RoomCount](c, keepPresent, keepPresent, log),
		users: newLoader[store.Occupants](c, keepPresent, 0, log),
		lists: newLoader[[]store.RoomCount](c, keepList, 0, log),
	}
	cached.listForgotten.Store(-int64(keepList)) // long enough ago
	return cached
}

// Close ends what is being loaded and closes the store.
func (s *CachedStore) Close() error {
	s.rooms.Close()
	s.users.Close()
	s.lists.Close()
	return s.Store.Close()
}

// Scopes.
const listScope = "list"

func presenceScope(room bw.RoomID) string { return fmt.Sprint("presence:", room) }

// FindRoom implements store.Rooms.
func (s *CachedStore) FindRoom(ctx context.Context, id bw.RoomID) (store.RoomCount, error) {
	room, found, err := within(ctx, s, s.rooms, presenceScope(id), "room", func(ctx context.Context) (store.RoomCount, bool, error) {
		room, err := s.Store.FindRoom(ctx, id)
		if bw.KindOf(err) == bw.NoSuchRoom {
			return store.RoomCount{}, false, nil
		}
		return room, err == nil, err
	})
	switch {
	case err != nil:
		return store.RoomCount{}, failure(err, "rooms cannot be looked up now")
	case !found:
		return store.RoomCount{}, noSuchRoom(id)
	}
	return room, nil
}

// ListOccupants implements store.Memberships.
func (s *CachedStore) ListOccupants(ctx context.Context, room bw.RoomID, after bw.UserID, limit int) (store.Occupants, error) {
	page := fmt.Sprint("users:", after, ":", limit)
	users, _, err := within(ctx, s, s.users, presenceScope(room), page, func(ctx context.Context) (store.Occupants, bool, error) {
		users, err := s.Store.ListOccupants(ctx, room, after, limit)
		return users, true, err
	})
	if err != nil {
		return store.Occupants{}, failure(err, "the room's users cannot be listed now")
	}
	return users, nil
}

// ListRooms implements store.Rooms.
func (s *CachedStore) ListRooms(ctx context.Context, after bw.RoomID, limit int) ([]store.RoomCount, error) {
	page := fmt.Sprint("rooms:", after, ":", limit)
	list, _, err := within(ctx, s, s.lists, listScope, page, func(ctx context.Context) ([]store.RoomCount, bool, error) {
		list, err := s.Store.ListRooms(ctx, after, limit)
		return list, true, err
	})
	if err != nil {
		return nil, failure(err, "rooms cannot be listed now")
	}
	return list, nil
}

// within reads a page of a scope through the cache. Without a mark, while the cache
// is away, nobody could say that the page has changed: then everybody reads it for
// himself.
func within[T any](
	ctx context.Context, s *CachedStore, l *cache.Loader[T], scope, page string,
	load func(context.Context) (T, bool, error),
) (value T, found bool, err error) {
	if ctx.Err() != nil {
		return value, false, context.Cause(ctx)
	}
	mark, err := s.cache.Mark(ctx, scope)
	if err != nil {
		s.log.Debug("the cache failed", "error", err)
		return load(ctx)
	}
	return l.Get(ctx, fmt.Sprintf("%s@%s:%s", scope, mark, page), load)
}

// CreateRoom implements store.Rooms. Every server knows the room when it returns.
func (s *CachedStore) CreateRoom(ctx context.Context, name bw.Name) (bw.Room, error) {
	room, err := s.Store.CreateRoom(ctx, name)
	if err == nil {
		s.forget(ctx, listScope, presenceScope(room.ID), roomKey(room.ID))
	}
	return room, err
}

// ApplyChanges implements store.Memberships.
func (s *CachedStore) ApplyChanges(ctx context.Context, server store.Identity, number int64, batch []store.Change) ([]store.Outcome, error) {
	outcomes, err := s.Store.ApplyChanges(ctx, server, number, batch)
	changed := make(map[bw.RoomID]bool)
	for i, c := range batch {
		// A batch that has failed may have been written all the same.
		if err != nil || outcomes[i].Changed {
			changed[c.Room] = true
		}
	}
	s.presenceChanged(ctx, changed)
	return outcomes, err
}

// DeleteOrphans implements store.Leases. Of a call that has failed nobody knows
// which rooms it may have changed all the same; their lists are true again when
// their time to live is over.
func (s *CachedStore) DeleteOrphans(ctx context.Context, grace time.Duration, limit int) (store.Burial, error) {
	burial, err := s.Store.DeleteOrphans(ctx, grace, limit)
	changed := make(map[bw.RoomID]bool)
	for _, room := range burial.Rooms {
		changed[room] = true
	}
	s.presenceChanged(ctx, changed)
	return burial, err
}

// presenceChanged makes all servers forget who was in these rooms.
func (s *CachedStore) presenceChanged(ctx context.Context, rooms map[bw.RoomID]bool) {
	if len(rooms) == 0 {
		return
	}
	var scopes []string
	for room := range rooms {
		scopes = append(scopes, presenceScope(room))
	}
	if s.listIsDue() {
		scopes = append(scopes, listScope)
	}
	s.forget(ctx, scopes...)
}

// listIsDue says whether the list of rooms is to be forgotten now. If that was a
// moment ago, what was loaded since then expires soon enough by itself.
func (s *CachedStore) listIsDue() bool {
	now, last := int64(time.Since(s.began)), s.listForgotten.Load()
	return now-last >= int64(keepList) && s.listForgotten.CompareAndSwap(last, now)
}

// forget deletes keys on all servers, also for a caller who has gone: what he has
// changed is changed.
func (s *CachedStore) forget(ctx context.Context, keys ...string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forgetLimit)
	defer cancel()
	if err := s.cache.Delete(ctx, keys...); err != nil {
		s.log.Debug("the cache failed", "error", err)
	}
}
