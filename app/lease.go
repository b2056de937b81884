package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/store"
)

// Times of a lease.
const (
	leaseTTL   = 15 * time.Second
	leaseRenew = leaseTTL / 3
)

// embeddedServer is the only server that a data folder ever has: its lock sees to
// that. It is the same after a change of the host's name, so that a new process
// always succeeds the former one.
const embeddedServer bw.ServerID = "embedded"

// orphanBatch is how many memberships of a former process are removed at once.
const orphanBatch = 1000

// lease is the server's registered incarnation and what keeps it alive.
type lease struct {
	store    store.Leases
	log      *slog.Logger
	identity store.Identity
	stop     context.CancelFunc
	wg       sync.WaitGroup
}

// takeLease registers the server, removes what dead servers left behind, a former
// process of it among them, and renews the lease until release.
func takeLease(ctx context.Context, s store.Leases, id bw.ServerID, b broker.Broker, log *slog.Logger) (*lease, error) {
	identity, err := s.Register(ctx, id, leaseTTL)
	if err != nil {
		return nil, fmt.Errorf("registering the server: %w", err)
	}
	var gone []store.Departure
	for more := true; more; {
		if gone, more, err = s.DeleteOrphans(ctx, orphanBatch); err != nil {
			return nil, fmt.Errorf("removing the memberships of dead servers: %w", err)
		}
		for _, d := range gone {
			b.Notify(broker.Notice{Room: d.Room, Left: []bw.Name{d.User}, Users: d.Users, PresenceVersion: d.Version})
		}
	}
	renewing, stop := context.WithCancel(context.Background())
	l := &lease{store: s, log: log, identity: identity, stop: stop}
	l.wg.Go(func() { l.renew(renewing) })
	return l, nil
}

func (l *lease) renew(ctx context.Context) {
	ticker := time.NewTicker(leaseRenew)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		l.renewOnce(ctx)
	}
}

// renewOnce extends the lease. A store that is away is asked again soon: until
// somebody has declared the lease over, it can be renewed late.
func (l *lease) renewOnce(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, leaseRenew)
	defer cancel()
	err := l.store.Renew(asking, l.identity, leaseTTL)
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, store.ErrFenced):
		l.log.Error("this server's lease was taken away: its memberships are not counted any more", "error", err)
	default:
		l.log.Warn("renewing the lease", "error", err)
	}
}

// release ends the lease. If the store cannot be told, it ends by itself.
func (l *lease) release() error {
	l.stop()
	l.wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	if err := l.store.Release(ctx, l.identity); err != nil && !errors.Is(err, store.ErrFenced) {
		l.log.Warn("releasing the lease", "error", err)
	}
	return nil
}
