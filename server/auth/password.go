package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	bw "github.com/breakwater-chat/breakwater"
)

// Bounds of a password.
const (
	minPassword = 8     // characters
	maxPassword = 1_024 // bytes
)

// CheckPassword tells whether a new password will do: WeakPassword if not.
func CheckPassword(password string) error {
	switch {
	case len([]rune(password)) < minPassword:
		return bw.Errorf(bw.WeakPassword, "a password has at least %d characters", minPassword)
	case len(password) > maxPassword:
		return bw.Errorf(bw.WeakPassword, "a password has at most %d bytes", maxPassword)
	}
	return nil
}

// hashWait is how long a password may wait for its turn.
const hashWait = 5 * time.Second

// Hasher hashes passwords with bcrypt, few at once: each costs tens of
// milliseconds of a core, on purpose.
type Hasher struct {
	turns chan struct{}
	dummy func() []byte
}

// NewHasher makes a Hasher that works on so many passwords at once.
func NewHasher(concurrency int) *Hasher {
	return &Hasher{
		turns: make(chan struct{}, concurrency),
		dummy: sync.OnceValue(func() []byte {
			hash, err := bcrypt.GenerateFromPassword(digest("nobody's"), bcrypt.DefaultCost)
			if err != nil {
				return nil // cannot happen: the digest is short and the cost is valid
			}
			return hash
		}),
	}
}

// digest makes a password of any length fit bcrypt's 72 bytes, without a zero byte.
func digest(password string) []byte {
	sum := sha256.Sum256([]byte(password))
	return []byte(base64.StdEncoding.EncodeToString(sum[:]))
}

// Hash returns what to keep of a password. Overloaded if too many wait.
func (h *Hasher) Hash(ctx context.Context, password string) ([]byte, error) {
	if err := h.enter(ctx); err != nil {
		return nil, err
	}
	defer h.leave()
	hash, err := bcrypt.GenerateFromPassword(digest(password), bcrypt.DefaultCost)
	if err != nil {
		return nil, fmt.Errorf("hashing a password: %w", err)
	}
	return hash, nil
}

// Check tells whether a password is the one that was hashed. Without a hash it
// takes as long and says no. Overloaded if too many wait.
func (h *Hasher) Check(ctx context.Context, hash []byte, password string) (bool, error) {
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer h.leave()
	known := hash != nil
	if !known {
		hash = h.dummy()
	}
	err := bcrypt.CompareHashAndPassword(hash, digest(password))
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, fmt.Errorf("checking a password: %w", err)
	}
	return known && err == nil, nil
}

func (h *Hasher) enter(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, hashWait)
	defer cancel()
	select {
	case h.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return bw.Errorf(bw.Overloaded, "too many passwords are being checked at this moment")
	}
}

func (h *Hasher) leave() { <-h.turns }
