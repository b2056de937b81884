package sqlitestore

import (
	"context"
	"fmt"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/sqlite"
	"github.com/breakwater-chat/breakwater/store"
)

// A dead server's lease_until is when it was declared dead.
const (
	killServer   = "UPDATE servers SET state = 'dead', lease_until = " + now + " WHERE id = ? AND state = 'live'"
	countNewer   = "SELECT count(*) FROM servers WHERE id = ? AND incarnation > ? AND state = 'live' AND lease_until > " + now
	insertServer = "INSERT INTO servers (id, lease_until, state) VALUES (?, " + now + " + ?, 'live') RETURNING incarnation"
	renewLease   = "UPDATE servers SET lease_until = " + now + " + ? WHERE incarnation = ? AND id = ? AND state = 'live'"
	releaseLease = "UPDATE servers SET state = 'dead', lease_until = " + now + " WHERE incarnation = ? AND id = ? AND state = 'live'"
	expireLeases = "UPDATE servers SET state = 'dead', lease_until = " + now + " WHERE state = 'live' AND lease_until <= " + now + " RETURNING id, incarnation"
)

// Register implements store.Leases.
func (s *Store) Register(ctx context.Context, server bw.ServerID, ttl time.Duration) (store.Identity, error) {
	return s.register(ctx, server, ttl, func(*sqlite.Tx) error { return nil })
}

// Succeed implements store.Leases.
func (s *Store) Succeed(ctx context.Context, former store.Identity, ttl time.Duration) (store.Identity, error) {
	return s.register(ctx, former.Server, ttl, func(tx *sqlite.Tx) error {
		var newer int
		if err := tx.QueryRow(countNewer, string(former.Server), int64(former.Incarnation)).Scan(&newer); err != nil {
			return fmt.Errorf("find newer incarnations: %w", err)
		}
		if newer > 0 {
			return store.ErrSuperseded
		}
		return nil
	})
}

// register begins an incarnation, if nothing speaks against it, and ends all others.
func (s *Store) register(ctx context.Context, server bw.ServerID, ttl time.Duration, may func(*sqlite.Tx) error) (store.Identity, error) {
	id := store.Identity{Server: server}
	err := s.db.Do(ctx, func(tx *sqlite.Tx) error {
		if err := may(tx); err != nil {
			return err
		}
		if _, err := tx.Exec(killServer, string(server)); err != nil {
			return fmt.Errorf("declare older incarnations dead: %w", err)
		}
		return tx.QueryRow(insertServer, string(server), ttl.Milliseconds()).Scan(&id.Incarnation)
	})
	if err != nil {
		return store.Identity{}, unavailable(err, "register a server")
	}
	return id, nil
}

// Renew implements store.Leases.
func (s *Store) Renew(ctx context.Context, id store.Identity, ttl time.Duration) error {
	err := s.db.Do(ctx, func(tx *sqlite.Tx) error {
		result, err := tx.Exec(renewLease, ttl.Milliseconds(), int64(id.Incarnation), string(id.Server))
		if err != nil {
			return err
		}
		changed, err := result.RowsAffected()
		if err == nil && changed == 0 {
			return store.ErrFenced
		}
		return err
	})
	return unavailable(err, "renew a lease")
}

// Release implements store.Leases. Releasing a dead incarnation changes nothing.
func (s *Store) Release(ctx context.Context, id store.Identity) error {
	err := s.db.Do(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(releaseLease, int64(id.Incarnation), string(id.Server))
		return err
	})
	return unavailable(err, "release a lease")
}

// ExpireLeases implements store.Leases.
func (s *Store) ExpireLeases(ctx context.Context) ([]store.Identity, error) {
	var dead []store.Identity
	err := s.db.Do(ctx, func(tx *sqlite.Tx) error {
		rows, err := tx.Query(expireLeases)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id store.Identity
			if err := rows.Scan(&id.Server, &id.Incarnation); err != nil {
				return err
			}
			dead = append(dead, id)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, unavailable(err, "expire leases")
	}
	return dead, nil
}
