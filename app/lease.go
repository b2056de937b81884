package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
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

// takeLease registers the server, removes what a former process of it left
// behind, and renews the lease until release.
func takeLease(ctx context.Context, s store.Leases, log *slog.Logger) (*lease, error) {
	identity, err := s.Register(ctx, embeddedServer, leaseTTL)
	if err != nil {
		return nil, fmt.Errorf("registering the server: %w", err)
	}
	for more := true; more; {
		// Nobody is connected yet who could be told of these departures.
		if _, more, err = s.DeleteOrphans(ctx, orphanBatch); err != nil {
			return nil, fmt.Errorf("removing the memberships of a former process: %w", err)
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
		if err := l.store.Renew(ctx, l.identity, leaseTTL); err != nil && ctx.Err() == nil {
			l.log.Error("renewing the lease", "error", err)
		}
	}
}

// release ends the lease.
func (l *lease) release() error {
	l.stop()
	l.wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	if err := l.store.Release(ctx, l.identity); err != nil && !errors.Is(err, store.ErrFenced) {
		return fmt.Errorf("releasing the lease: %w", err)
	}
	return nil
}
