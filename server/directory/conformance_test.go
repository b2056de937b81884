package directory

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/storetest"
)

// turns asks several servers over one store in turn: what one has cached another
// one changes.
type turns struct {
	store.Store
	sides []*CachedStore
	asked atomic.Int64
}

func (s *turns) next() *CachedStore {
	return s.sides[int(s.asked.Add(1))%len(s.sides)]
}

func (s *turns) CreateRoom(ctx context.Context, name bw.Name) (bw.Room, error) {
	return s.next().CreateRoom(ctx, name)
}

func (s *turns) FindRoom(ctx context.Context, id bw.RoomID) (store.RoomCount, error) {
	return s.next().FindRoom(ctx, id)
}

func (s *turns) ListRooms(ctx context.Context, after bw.RoomID, limit int) ([]store.RoomCount, error) {
	return s.next().ListRooms(ctx, after, limit)
}

func (s *turns) ListOccupants(ctx context.Context, room bw.RoomID, after bw.UserID, limit int) (store.Occupants, error) {
	return s.next().ListOccupants(ctx, room, after, limit)
}

func (s *turns) ApplyChanges(ctx context.Context, id store.Identity, number int64, batch []store.Change) ([]store.Outcome, error) {
	return s.next().ApplyChanges(ctx, id, number, batch)
}

func (s *turns) DeleteOrphans(ctx context.Context, grace time.Duration, limit int) (store.Burial, error) {
	return s.next().DeleteOrphans(ctx, grace, limit)
}

func TestCachedStoresPassTheSuiteOfStores(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		s, c, log := openStore(t), newCache(t), slog.New(slog.DiscardHandler)
		all := &turns{Store: s}
		for range 3 {
			side := NewCachedStore(s, c, log)
			all.sides = append(all.sides, side)
			t.Cleanup(func() {
				if err := side.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
		}
		return all
	})
}
