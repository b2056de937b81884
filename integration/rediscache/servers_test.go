package rediscache_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/cache/memcache"
	"github.com/breakwater-chat/breakwater/cache/rediscache"
	"github.com/breakwater-chat/breakwater/server/directory"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/sqlitestore"
)

// side is one of several servers over one store and one Redis.
type side struct {
	*directory.CachedStore
	names *directory.Directory
	life  store.Identity
	// number is the last batch's.
	number *atomic.Int64
}

// openServers opens n, each with a view of Redis that open makes.
func openServers(t *testing.T, n int, open func(testing.TB, rediscache.Config) view) (sides []side) {
	t.Helper()
	log, prefix := slog.New(slog.DiscardHandler), "test:"+t.Name()+fmt.Sprint(time.Now().UnixNano())+":"
	s, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: filepath.Join(t.TempDir(), "store.db")})
	must(t, "open the store", err)
	for i := range n {
		shared, near := open(t, rediscache.Config{Prefix: prefix}), memcache.New(memcache.Config{})
		life, err := s.Register(t.Context(), bw.ServerID(fmt.Sprint("server ", i)), time.Hour)
		must(t, "register", err)
		v := side{
			directory.NewCachedStore(s, shared, log),
			directory.New(s, []cache.Cache{near, shared}, log), life, new(atomic.Int64),
		}
		t.Cleanup(func() {
			v.names.Close()
			if err := errors.Join(v.Close(), near.Close()); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		sides = append(sides, v)
	}
	return sides
}

// count is the number of users in a room as a server shows it: the smaller of
// those listed and those counted, which the store need not read at one moment.
func (v side) count(ctx context.Context, room bw.RoomID) (int, error) {
	users, err := v.ListOccupants(ctx, room, 0, 500)
	return min(users.Count, len(users.Users)), err
}

// People enter through every server while everybody looks at the list: whoever
// looks after a join has returned finds at least those who were there then.
func TestUserListsAreTrueOnEveryServer(t *testing.T) {
	const servers, users, readers = 3, 60, 6
	sides := openServers(t, servers, open)
	room, err := sides[0].CreateRoom(t.Context(), "room")
	must(t, "create", err)
	var there atomic.Int64
	quit := make(chan struct{})
	var reading, joining sync.WaitGroup
	for i := range readers {
		reading.Go(func() {
			for v := sides[i%servers]; ; {
				select {
				case <-quit:
					return
				default:
				}
				least := there.Load()
				if got, err := v.count(t.Context(), room.ID); err != nil || got < int(least) {
					t.Errorf("got %d users, %v, when %d were there", got, err, least)
					return
				}
			}
		})
	}
	for i, v := range sides {
		joining.Go(func() {
			for j := i; j < users; j += servers {
				user, err := v.names.EnsureUser(t.Context(), bw.Name(fmt.Sprint("user ", j)))
				if err != nil {
					t.Errorf("user: %v", err)
				}
				join := store.Change{Room: room.ID, User: user.ID, Connection: bw.ConnectionID(j)}
				if _, err := v.ApplyChanges(t.Context(), v.life, v.number.Add(1), []store.Change{join}); err != nil {
					t.Errorf("join: %v", err)
				}
				there.Add(1)
			}
		})
	}
	joining.Wait()
	close(quit)
	reading.Wait()
	for i, v := range sides {
		if got, err := v.count(t.Context(), room.ID); err != nil || got != users {
			t.Errorf("server %d: got %d users, %v, want %d", i, got, err, users)
		}
		if got, err := v.FindRoom(t.Context(), room.ID); err != nil || got.Users != users {
			t.Errorf("server %d: got %+v, %v, want %d users", i, got, err, users)
		}
	}
}

// A frozen Redis slows writes by a moment at most, and what people ask is answered
// by the store.
func TestServersGoOnWithoutRedis(t *testing.T) {
	sides := openServers(t, 2, openAsServers)
	room, err := sides[0].CreateRoom(t.Context(), "room")
	must(t, "create", err)
	ann, err := sides[0].names.EnsureUser(t.Context(), "ann")
	must(t, "user", err)
	for _, v := range sides {
		if got, err := v.count(t.Context(), room.ID); err != nil || got != 0 {
			t.Fatalf("got %d users, %v, want none", got, err)
		}
	}
	freeze(t)
	began := time.Now()
	for i, v := range sides {
		for c := range 10 {
			join := store.Change{Room: room.ID, User: ann.ID, Connection: bw.ConnectionID(c)}
			if _, err := v.ApplyChanges(t.Context(), v.life, v.number.Add(1), []store.Change{join}); err != nil {
				t.Errorf("server %d: join: %v", i, err)
			}
		}
		if got, err := v.count(t.Context(), room.ID); err != nil || got != 1 {
			t.Errorf("server %d: got %d users, %v, want 1", i, got, err)
		}
		if found, err := v.names.FindRoom(t.Context(), room.ID); err != nil || found != room {
			t.Errorf("server %d: got %+v, %v, want %+v", i, found, err, room)
		}
		if got, err := v.names.EnsureUser(t.Context(), "ann"); err != nil || got != ann {
			t.Errorf("server %d: got %+v, %v, want %+v", i, got, err, ann)
		}
	}
	if took := time.Since(began); took > 6*limit+slack {
		t.Errorf("took %v, want only some calls to wait %v", took, limit)
	}
}
