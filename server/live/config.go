package live

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/server/admission"
	"github.com/breakwater-chat/breakwater/server/playback"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/wire"
)

// Config bounds a Hub.
type Config struct {
	Limits wire.Limits
	// MaxConnections is how many connections may be open at once.
	MaxConnections int
	// Loops is the number of epoll loops, Flushers that of goroutines that
	// write to the members of rooms.
	Loops, Flushers int
	// MaxLag is how many bytes a member may be behind the head of its room's
	// log before the log goes on without it.
	MaxLag int
	// MaxLogBytes is how many bytes the logs of all rooms may hold before members
	// are let fall less far behind.
	MaxLogBytes int
	// MaxQueue is how many bytes of answers may wait for a connection before
	// it is not read from any more.
	MaxQueue int
	// MaxQueued is how much memory the answers that wait for all connections may
	// hold before new connections, joins and pages are refused, in bytes.
	MaxQueued int
	// MaxPages is how many pages of the history are read at once: each is held in
	// memory until it is queued.
	MaxPages int
	// MaxRooms is how many rooms one connection may be in: each costs every
	// write to it a look.
	MaxRooms int
	// MaxSends is how many sends of one connection may be under way before it
	// is not read from any more.
	MaxSends int
	// BusyDelay is how long after a pass over its members a room waits to fill the
	// next one; a room that was quiet for longer never waits.
	BusyDelay time.Duration
	// PingInterval is after how much silence a connection is pinged,
	// SilenceTimeout after how much it is closed.
	PingInterval, SilenceTimeout time.Duration
	// StallTimeout is how long a connection may take nothing of what waits for it.
	// OvertakenTimeout is the same for one that a room's log has overtaken.
	StallTimeout, OvertakenTimeout time.Duration
	// PresenceInterval is the least time between two presence frames of a room,
	// TypingInterval that between two typing frames of one user in a room.
	PresenceInterval, TypingInterval time.Duration
	// FencedLimit is how long the server may be without standing before its
	// connections are sent elsewhere.
	FencedLimit time.Duration
	// JoinTimeout bounds what a join, a leave or a page may take.
	JoinTimeout time.Duration
	// SendsUnderWay and JoinsUnderWay bound how many sends and joins are worked on.
	SendsUnderWay, JoinsUnderWay admission.LimitConfig
	// RoomLinger is how long a room stays subscribed after its last member left.
	RoomLinger time.Duration
}

// DefaultConfig returns the bounds of the public contract and, where it names
// none, those measured to serve well.
func DefaultConfig() Config {
	return Config{
		Limits:           wire.DefaultLimits(),
		MaxConnections:   15_000,
		Loops:            max(1, runtime.GOMAXPROCS(0)/2),
		Flushers:         runtime.GOMAXPROCS(0),
		MaxLag:           4 << 20,
		MaxLogBytes:      512 << 20,
		MaxQueue:         256 << 10,
		MaxQueued:        256 << 20,
		MaxPages:         8,
		MaxRooms:         1_000,
		MaxSends:         256,
		BusyDelay:        5 * time.Millisecond,
		PingInterval:     25 * time.Second,
		SilenceTimeout:   60 * time.Second,
		StallTimeout:     30 * time.Second,
		OvertakenTimeout: 5 * time.Second,
		PresenceInterval: 250 * time.Millisecond,
		TypingInterval:   3 * time.Second,
		FencedLimit:      15 * time.Second,
		JoinTimeout:      10 * time.Second,
		SendsUnderWay:    admission.LimitConfig{Wait: 25 * time.Millisecond, Least: 512, Most: 1 << 14, Burst: 2048},
		JoinsUnderWay:    admission.LimitConfig{Wait: 25 * time.Millisecond, Least: 128, Most: 1 << 14, Burst: 4096, Reserved: 0.25},
		RoomLinger:       time.Second,
	}
}

// Rooms tells which rooms exist.
type Rooms interface {
	// FindRoom fails with NoSuchRoom if there is none.
	FindRoom(ctx context.Context, id bw.RoomID) (bw.Room, error)
}

// Sends meters how often users send.
type Sends interface {
	// Allow takes one send from the user's allowance, or says after what time
	// there will be one.
	Allow(user bw.Name) (retryAfter time.Duration, ok bool)
}

// Lease is the server's right to act for its users.
type Lease interface {
	// Standing tells whether it may act now. It costs next to nothing.
	Standing() bool
	// Current returns the incarnation under which memberships are entered. over is
	// closed when another one has taken its place: what was entered under it is lost.
	Current() (id store.Identity, over <-chan struct{})
	// Lost says that the store has called an incarnation dead.
	Lost(id store.Identity)
}

// Deps are what a Hub works with; it owns none of them.
type Deps struct {
	Broker     broker.Broker
	Playback   *playback.Reader
	Members    store.Memberships
	Lease      Lease
	Rooms      Rooms
	Sends      Sends
	Registerer prometheus.Registerer
	Log        *slog.Logger
}

func (c Config) validate() error {
	switch {
	case c.MaxRooms < 1:
		return errors.New("a connection must be allowed a room")
	case c.MaxPages < 1:
		return errors.New("at least one page must be read at once")
	case c.MaxConnections < 1:
		return errors.New("the number of connections must be positive")
	case c.Loops < 1 || c.Flushers < 1:
		return errors.New("at least one loop and one flusher are needed")
	case c.PingInterval <= 0 || c.SilenceTimeout <= c.PingInterval:
		return errors.New("the silence timeout must be longer than the ping interval, and both positive")
	}
	return nil
}
