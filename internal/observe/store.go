package observe

import (
	"context"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// Store measures a store. Closing it closes the store.
func (m *Meter) Store(s store.Store) store.Store {
	return observedStore{s, dependency{"store", m}}
}

type observedStore struct {
	store.Store
	d dependency
}

func (s observedStore) CreateUser(ctx context.Context, name bw.Name, hash []byte) (bw.User, error) {
	return call(s.d, "create_user", func() (bw.User, error) { return s.Store.CreateUser(ctx, name, hash) })
}

func (s observedStore) EnsureUser(ctx context.Context, name bw.Name) (bw.User, error) {
	return call(s.d, "ensure_user", func() (bw.User, error) { return s.Store.EnsureUser(ctx, name) })
}

func (s observedStore) FindCredentials(ctx context.Context, name bw.Name) (store.Credentials, error) {
	return call(s.d, "find_credentials", func() (store.Credentials, error) { return s.Store.FindCredentials(ctx, name) })
}

func (s observedStore) CreateRoom(ctx context.Context, name bw.Name) (bw.Room, error) {
	return call(s.d, "create_room", func() (bw.Room, error) { return s.Store.CreateRoom(ctx, name) })
}

func (s observedStore) FindRoom(ctx context.Context, id bw.RoomID) (store.RoomCount, error) {
	return call(s.d, "find_room", func() (store.RoomCount, error) { return s.Store.FindRoom(ctx, id) })
}

func (s observedStore) ListRooms(ctx context.Context, after bw.RoomID, limit int) ([]store.RoomCount, error) {
	return call(s.d, "list_rooms", func() ([]store.RoomCount, error) { return s.Store.ListRooms(ctx, after, limit) })
}

func (s observedStore) ApplyChanges(ctx context.Context, server store.Identity, number int64, batch []store.Change) ([]store.Outcome, error) {
	return call(s.d, "apply_changes", func() ([]store.Outcome, error) { return s.Store.ApplyChanges(ctx, server, number, batch) })
}

func (s observedStore) ListOccupants(ctx context.Context, room bw.RoomID, after bw.UserID, limit int) (store.Occupants, error) {
	return call(s.d, "list_occupants", func() (store.Occupants, error) { return s.Store.ListOccupants(ctx, room, after, limit) })
}

func (s observedStore) Renew(ctx context.Context, id store.Identity, ttl time.Duration) error {
	end := s.d.start("renew")
	err := s.Store.Renew(ctx, id, ttl)
	end(err)
	return err
}
