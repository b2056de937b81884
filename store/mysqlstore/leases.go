package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/ablation"
	"github.com/breakwater-chat/breakwater/store"
)

// A dead server's lease_until is when it was declared dead.
const (
	insertServer = "INSERT INTO servers (id, lease_until, state) VALUES (?, " + now + " + ?, 'live')"
	// Whoever registers the same server at the same time is waited for: one of
	// them ends the other, or is rolled back and tries again. An update alone would
	// pass over what was not committed yet.
	selectOthers = "SELECT incarnation FROM servers WHERE id = ? AND incarnation <> ? AND state = 'live' FOR UPDATE"
	selectNewer  = "SELECT incarnation FROM servers WHERE id = ? AND incarnation > ? AND state = 'live' AND lease_until > " + now + " FOR UPDATE"
	killOthers   = "UPDATE servers SET state = 'dead', lease_until = " + now + " WHERE incarnation IN %s"
	renewLease   = "UPDATE servers SET lease_until = " + now + " + ? WHERE incarnation = ? AND id = ? AND state = 'live'"
	releaseLease = "UPDATE servers SET state = 'dead', lease_until = " + now + " WHERE incarnation = ? AND id = ? AND state = 'live'"
	selectOver   = "SELECT id, incarnation FROM servers WHERE "
	expireLease  = "UPDATE servers SET state = 'dead', lease_until = " + now + " WHERE incarnation = ? AND "
)

// isOver is what holds of a server whose lease is over. Servers' own clocks may be wrong.
func isOver() string {
	clock := now
	if ablation.Off(ablation.StoreClock) {
		clock = strconv.FormatInt(time.Now().UnixMilli(), 10)
	}
	return "state = 'live' AND lease_until <= " + clock
}

// Register implements store.Leases.
func (s *Store) Register(ctx context.Context, server bw.ServerID, ttl time.Duration) (store.Identity, error) {
	return s.register(ctx, server, ttl, func(context.Context, *sql.Tx) error { return nil })
}

// Succeed implements store.Leases.
func (s *Store) Succeed(ctx context.Context, former store.Identity, ttl time.Duration) (store.Identity, error) {
	return s.register(ctx, former.Server, ttl, func(ctx context.Context, tx *sql.Tx) error {
		newer, err := selected(ctx, tx, selectNewer, string(former.Server), int64(former.Incarnation))
		if err == nil && len(newer) > 0 {
			err = store.ErrSuperseded
		}
		return err
	})
}

// register begins an incarnation, if nothing speaks against it, and ends all others.
func (s *Store) register(ctx context.Context, server bw.ServerID, ttl time.Duration, may func(context.Context, *sql.Tx) error) (store.Identity, error) {
	var incarnation int64
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := may(ctx, tx); err != nil {
			return err
		}
		made, err := tx.ExecContext(ctx, insertServer, string(server), ttl.Milliseconds())
		if err != nil {
			return err
		}
		if incarnation, err = made.LastInsertId(); err != nil {
			return err
		}
		others, err := selected(ctx, tx, selectOthers, string(server), incarnation)
		if err != nil {
			return fmt.Errorf("find older incarnations: %w", err)
		}
		if err := execRows(ctx, tx, killOthers, tuples, 1, others); err != nil {
			return fmt.Errorf("declare older incarnations dead: %w", err)
		}
		return nil
	})
	if err != nil {
		return store.Identity{}, unavailable(err, "register a server")
	}
	return store.Identity{Server: server, Incarnation: bw.Incarnation(incarnation)}, nil
}

// Renew implements store.Leases.
func (s *Store) Renew(ctx context.Context, id store.Identity, ttl time.Duration) error {
	found, err := s.exec(ctx, renewLease, ttl.Milliseconds(), int64(id.Incarnation), string(id.Server))
	if err == nil && found == 0 {
		err = store.ErrFenced
	}
	return unavailable(err, "renew a lease")
}

// Release implements store.Leases. Releasing a dead incarnation changes nothing.
func (s *Store) Release(ctx context.Context, id store.Identity) error {
	_, err := s.exec(ctx, releaseLease, int64(id.Incarnation), string(id.Server))
	return unavailable(err, "release a lease")
}

// ExpireLeases implements store.Leases. One that cannot be declared dead now, for
// a transaction of its server is still open, is left to the next call.
func (s *Store) ExpireLeases(ctx context.Context) ([]store.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var over, dead []store.Identity
	err := query(ctx, s.db, selectOver+isOver(), nil, func(rows *sql.Rows) error {
		var id store.Identity
		err := rows.Scan(&id.Server, &id.Incarnation)
		over = append(over, id)
		return err
	})
	for i := 0; i < len(over) && err == nil; i++ {
		var died bool
		if died, err = s.expire(ctx, over[i]); died {
			dead = append(dead, over[i])
		}
	}
	if err != nil && len(dead) == 0 {
		return nil, unavailable(err, "expire leases")
	}
	return dead, nil // who died is told only once, so those are told in any case
}

// expire declares a server dead if its lease is over still.
func (s *Store) expire(ctx context.Context, id store.Identity) (died bool, err error) {
	done, err := s.db.ExecContext(ctx, expireLease+isOver(), int64(id.Incarnation))
	if isError(err, errLockWait) || isError(err, errDeadlock) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	found, err := done.RowsAffected()
	return found > 0, err
}
