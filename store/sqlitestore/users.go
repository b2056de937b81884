package sqlitestore

import (
	"context"
	"database/sql"
	"errors"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/sqlite"
	"github.com/breakwater-chat/breakwater/store"
)

const (
	findUser     = "SELECT id, name, created_at, password_hash FROM users WHERE name = ?"
	insertUser   = "INSERT INTO users (name, password_hash, created_at) VALUES (?, ?, " + now + ") RETURNING id, created_at"
	insertNoUser = "INSERT INTO users (name, created_at) VALUES (?, " + now + ") ON CONFLICT (name) DO NOTHING"
)

// CreateUser implements store.Users.
func (s *Store) CreateUser(ctx context.Context, name bw.Name, passwordHash []byte) (bw.User, error) {
	u := bw.User{Name: name}
	err := s.db.Do(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(insertUser, string(name), passwordHash).Scan(&u.ID, &u.CreatedAt)
	})
	if sqlite.IsUnique(err) {
		return bw.User{}, bw.Errorf(bw.NameTaken, "there is a user of this name already")
	}
	if err != nil {
		return bw.User{}, unavailable(err, "create a user")
	}
	return u, nil
}

// EnsureUser implements store.Users. A user that exists costs one read.
func (s *Store) EnsureUser(ctx context.Context, name bw.Name) (bw.User, error) {
	found, err := scanUser(s.db.QueryRow(ctx, findUser, string(name)))
	if err == nil {
		return found.User, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return bw.User{}, unavailable(err, "find a user")
	}
	err = s.db.Do(ctx, func(tx *sqlite.Tx) (err error) {
		if _, err = tx.Exec(insertNoUser, string(name)); err != nil {
			return err
		}
		found, err = scanUser(tx.QueryRow(findUser, string(name)))
		return err
	})
	if err != nil {
		return bw.User{}, unavailable(err, "make a user")
	}
	return found.User, nil
}

// FindCredentials implements store.Users.
func (s *Store) FindCredentials(ctx context.Context, name bw.Name) (store.Credentials, error) {
	found, err := scanUser(s.db.QueryRow(ctx, findUser, string(name)))
	if errors.Is(err, sql.ErrNoRows) {
		return store.Credentials{}, bw.Errorf(bw.BadCredentials, "name or password is wrong")
	}
	if err != nil {
		return store.Credentials{}, unavailable(err, "find a user")
	}
	return found, nil
}

func scanUser(row sqlite.Row) (c store.Credentials, err error) {
	err = row.Scan(&c.ID, &c.Name, &c.CreatedAt, &c.PasswordHash)
	return c, err
}
