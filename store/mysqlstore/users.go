package mysqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"

	"github.com/go-sql-driver/mysql"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

const (
	findUser = "SELECT id, name, created_at, password_hash FROM users WHERE name = ?"
	// A name that is taken costs no id.
	insertUser = `INSERT INTO users (name, password_hash, created_at) SELECT ?, ?, ` + now + `
		FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM users WHERE name = ?)`
)

// CreateUser implements store.Users.
func (s *Store) CreateUser(ctx context.Context, name bw.Name, passwordHash []byte) (bw.User, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	made, err := s.exec(ctx, insertUser, string(name), passwordHash, string(name))
	if errors.Is(err, mysql.ErrInvalidConn) && len(passwordHash) > 0 {
		// The answer was lost, or more than that. The salt in the hash says whose the user is.
		if found, e := s.findUser(ctx, name); e == nil && bytes.Equal(found.PasswordHash, passwordHash) {
			return found.User, nil
		}
	}
	if err != nil {
		return bw.User{}, unavailable(err, "create a user")
	}
	if made == 0 {
		return bw.User{}, bw.Errorf(bw.NameTaken, "there is a user of this name already")
	}
	found, err := s.findUser(ctx, name)
	return found.User, unavailable(err, "find a user that was made just now")
}

// EnsureUser implements store.Users. A user that exists costs one read.
func (s *Store) EnsureUser(ctx context.Context, name bw.Name) (bw.User, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := s.findUser(ctx, name)
	if errors.Is(err, sql.ErrNoRows) {
		if _, err = s.exec(ctx, insertUser, string(name), nil, string(name)); err == nil {
			found, err = s.findUser(ctx, name)
		}
	}
	if err != nil {
		return bw.User{}, unavailable(err, "find or make a user")
	}
	return found.User, nil
}

// FindCredentials implements store.Users.
func (s *Store) FindCredentials(ctx context.Context, name bw.Name) (store.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := s.findUser(ctx, name)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Credentials{}, bw.Errorf(bw.BadCredentials, "name or password is wrong")
	}
	if err != nil {
		return store.Credentials{}, unavailable(err, "find a user")
	}
	return found, nil
}

func (s *Store) findUser(ctx context.Context, name bw.Name) (c store.Credentials, err error) {
	err = s.db.QueryRowContext(ctx, findUser, string(name)).Scan(&c.ID, &c.Name, &c.CreatedAt, &c.PasswordHash)
	return c, err
}
