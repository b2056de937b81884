package directory

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/ablation"
	"github.com/breakwater-chat/breakwater/store"
)

const (
	// trip is how many questions in a row the store must leave without an answer to
	// be taken for away.
	trip = 5
	// rest is how long it is asked nothing then, before one question tries.
	rest = time.Second
)

// Guarded is a store that people's questions are kept from while it is away: they are
// answered at once instead of each waiting for its time to be over. What the server
// itself asks (memberships, leases) is one call at a time, and is what finds out first
// that the store is back.
type Guarded struct {
	store.Store
	breaker *gobreaker.CircuitBreaker[any]
}

// NewGuarded guards a store. Closing it closes the store.
func NewGuarded(s store.Store, log *slog.Logger) *Guarded {
	return &Guarded{Store: s, breaker: gobreaker.NewCircuitBreaker[any](gobreaker.Settings{
		Name:         "store",
		Timeout:      rest,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= trip },
		IsSuccessful: func(err error) bool { return bw.KindOf(err) != bw.Unavailable },
		// Who went away says nothing about the store.
		IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			log.Warn("the way to the store has changed", "breaker", to.String())
		},
	})}
}

// guarded asks one question. The error of one that was not asked is Unavailable.
func guarded[T any](s *Guarded, ask func() (T, error)) (answer T, err error) {
	if ablation.Off(ablation.StoreBreaker) {
		return ask()
	}
	_, err = s.breaker.Execute(func() (_ any, err error) {
		answer, err = ask()
		return nil, err
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		err = bw.Unavailablef(err, "users and rooms cannot be looked up now")
	}
	return answer, err
}

// CreateUser implements store.Users.
func (s *Guarded) CreateUser(ctx context.Context, name bw.Name, hash []byte) (bw.User, error) {
	return guarded(s, func() (bw.User, error) { return s.Store.CreateUser(ctx, name, hash) })
}

// EnsureUser implements store.Users.
func (s *Guarded) EnsureUser(ctx context.Context, name bw.Name) (bw.User, error) {
	return guarded(s, func() (bw.User, error) { return s.Store.EnsureUser(ctx, name) })
}

// FindCredentials implements store.Users.
func (s *Guarded) FindCredentials(ctx context.Context, name bw.Name) (store.Credentials, error) {
	return guarded(s, func() (store.Credentials, error) { return s.Store.FindCredentials(ctx, name) })
}

// CreateRoom implements store.Rooms.
func (s *Guarded) CreateRoom(ctx context.Context, name bw.Name) (bw.Room, error) {
	return guarded(s, func() (bw.Room, error) { return s.Store.CreateRoom(ctx, name) })
}

// FindRoom implements store.Rooms.
func (s *Guarded) FindRoom(ctx context.Context, id bw.RoomID) (store.RoomCount, error) {
	return guarded(s, func() (store.RoomCount, error) { return s.Store.FindRoom(ctx, id) })
}

// ListRooms implements store.Rooms.
func (s *Guarded) ListRooms(ctx context.Context, after bw.RoomID, limit int) ([]store.RoomCount, error) {
	return guarded(s, func() ([]store.RoomCount, error) { return s.Store.ListRooms(ctx, after, limit) })
}

// ListOccupants implements store.Memberships.
func (s *Guarded) ListOccupants(ctx context.Context, room bw.RoomID, after bw.UserID, limit int) (store.Occupants, error) {
	return guarded(s, func() (store.Occupants, error) { return s.Store.ListOccupants(ctx, room, after, limit) })
}
