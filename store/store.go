// Package store is the contract of what a deployment knows durably beside its
// messages: users, rooms, who is in which room, and which servers are alive.
//
// Failures that a client may be told are *breakwater.Error; everything else
// that goes wrong below is reported as Unavailable with its cause.
package store

import (
	"context"
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

// Credentials are a user with what is needed to check his password.
type Credentials struct {
	bw.User
	// PasswordHash is nil for a user without password, who cannot log in.
	PasswordHash []byte
}

// Users keeps who exists. Names are unique byte for byte.
type Users interface {
	// CreateUser is durable when it returns. NameTaken if the name exists.
	CreateUser(ctx context.Context, name bw.Name, passwordHash []byte) (bw.User, error)
	// EnsureUser returns the user of that name and makes it, without
	// password, when there is none. Durable when it returns.
	EnsureUser(ctx context.Context, name bw.Name) (bw.User, error)
	// FindCredentials returns BadCredentials if there is no such user.
	FindCredentials(ctx context.Context, name bw.Name) (Credentials, error)
}

// RoomCount is a room with the number of distinct users in it now.
type RoomCount struct {
	bw.Room
	Users int
}

// Rooms keeps which rooms exist. Names are unique byte for byte.
type Rooms interface {
	// CreateRoom is durable when it returns. NameTaken if the name exists.
	CreateRoom(ctx context.Context, name bw.Name) (bw.Room, error)
	// FindRoom returns NoSuchRoom if there is none.
	FindRoom(ctx context.Context, id bw.RoomID) (RoomCount, error)
	// ListRooms returns up to limit rooms with ids above after, by id.
	ListRooms(ctx context.Context, after bw.RoomID, limit int) ([]RoomCount, error)
}

// Change is one connection entering or leaving one room.
type Change struct {
	Room       bw.RoomID
	User       bw.UserID
	Connection bw.ConnectionID
	// Leave is false for a join. Repeating a join or a leave changes nothing.
	Leave bool
}

// Outcome is what a Change meant for the whole deployment.
type Outcome struct {
	// Changed is true if the user's presence began (first connection in the
	// room) or ended (last one) by this very change. Over all servers exactly
	// one change is told so for each beginning and each end.
	Changed bool
	// Users is the number of distinct users in the room after the batch.
	Users int
	// Version orders counts of one room: it grows with every batch that
	// changed the room.
	Version int64
}

// Occupant is a user in a room.
type Occupant struct {
	bw.User
	// JoinedAt is when his presence began.
	JoinedAt bw.Millis
}

// Occupants is a part of a room's user list.
type Occupants struct {
	// Count is the number of distinct users in the room.
	Count int
	// Users are ordered by user id.
	Users []Occupant
}

// Memberships keeps which connection is in which room: a user is in a room
// while at least one of his connections is.
type Memberships interface {
	// ApplyChanges writes a batch of one server's incarnation at once,
	// atomically and in order, and answers each change. It fails with ErrFenced,
	// writing nothing, if the incarnation is not alive any more.
	//
	// number names the batch: an incarnation's batches are numbered from 1 upwards,
	// and one is sent after the one before was answered. A batch that may have been
	// written, for its answer was lost, is sent again under the same number and with
	// the same changes: it is written once, and its Changed are those of the first
	// time; Users and Version are those of now. Only the last number is remembered,
	// and one before it is refused as Internal.
	ApplyChanges(ctx context.Context, server Identity, number int64, batch []Change) ([]Outcome, error)
	// ListOccupants returns up to limit users of the room with ids above after.
	ListOccupants(ctx context.Context, room bw.RoomID, after bw.UserID, limit int) (Occupants, error)
}

// Identity is one life of one server.
type Identity struct {
	Server      bw.ServerID
	Incarnation bw.Incarnation
}

// Departure is a user's end of presence in a room that nobody has told the room yet:
// it ended because the server of his last connection died.
type Departure struct {
	// ID names the departure, so that who is told of it twice can tell.
	ID      int64
	Room    bw.RoomID
	User    bw.Name
	Users   int
	Version int64
}

// Leases keeps which servers are alive, on the clock of the store alone.
type Leases interface {
	// Register begins a new incarnation of the server, larger than all before, whose
	// lease ends after ttl. Older incarnations of the same server are dead from then on.
	Register(ctx context.Context, server bw.ServerID, ttl time.Duration) (Identity, error)
	// Succeed is Register for a process whose incarnation is not alive any more.
	// ErrSuperseded if the lease of a newer one of the same server is not over: another
	// process bears the name.
	Succeed(ctx context.Context, former Identity, ttl time.Duration) (Identity, error)
	// Renew extends the lease. ErrFenced if the incarnation is not alive any more.
	Renew(ctx context.Context, id Identity, ttl time.Duration) error
	// Release ends the incarnation at once; its remaining memberships are
	// orphans.
	Release(ctx context.Context, id Identity) error
	// ExpireLeases declares dead every incarnation whose lease is over and
	// returns those that this very call declared dead. After the store was away for
	// everybody no lease may have been renewed though all servers live: who calls it
	// must have renewed his own for a whole lease's time without a failure.
	ExpireLeases(ctx context.Context) ([]Identity, error)
	// DeleteOrphans removes up to limit memberships of incarnations that have been
	// dead for at least grace, and keeps a Departure for each presence that ended by
	// it. Removing and keeping is one step. It returns the rooms in which presences
	// ended, how many memberships it removed, and whether any are left that it might
	// remove now. Several servers may do it at once: each membership is removed by
	// one of them, and those that another one is at are left to him.
	DeleteOrphans(ctx context.Context, grace time.Duration, limit int) (Burial, error)
	// ClaimDepartures returns up to limit departures, the oldest first, that the caller
	// is to tell. They are his for the time of hold; one that is not forgotten by then
	// is given out again. A departure whose user is in the room again is not given
	// out but forgotten: nobody was told that he had left. None are returned only if
	// there are none to tell now.
	ClaimDepartures(ctx context.Context, hold time.Duration, limit int) ([]Departure, error)
	// ForgetDepartures ends departures that were told. Forgetting again changes nothing.
	ForgetDepartures(ctx context.Context, ids []int64) error
}

// Burial is what one call of DeleteOrphans did.
type Burial struct {
	// Removed is how many memberships went.
	Removed int
	// Rooms are those in which presences ended by it, each once.
	Rooms []bw.RoomID
	// More is true if there are memberships that the next call would remove.
	More bool
}

// Store is all of it behind one connection to a database.
type Store interface {
	Users
	Rooms
	Memberships
	Leases
	// Healthy tells whether the database answers; nil is healthy.
	Healthy(ctx context.Context) error
	Close() error
}
