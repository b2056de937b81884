package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
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

const (
	// hashWait is how long a password may wait for its turn.
	hashWait = 5 * time.Second
	// hashQueue is how many may wait for each that is worked on: about as many
	// as get their turn in time.
	hashQueue = 100
)

// Hasher hashes passwords with bcrypt, few at once: each costs tens of
// milliseconds of a core, on purpose.
type Hasher struct {
	// seats are for all, turns for those who are worked on.
	seats, turns chan struct{}
	// nobody is compared with where there is no hash.
	nobody []byte
}

// NewHasher makes a Hasher that works on so many passwords at once, at least one.
func NewHasher(concurrency int) *Hasher {
	concurrency = max(concurrency, 1)
	return &Hasher{
		seats: make(chan struct{}, concurrency*(1+hashQueue)),
		turns: make(chan struct{}, concurrency),
		// It costs what any other does, and no password has it.
		nobody: fmt.Appendf(nil, "$2a$%02d$%s", bcrypt.DefaultCost, strings.Repeat(".", 53)),
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
	if len(hash) == 0 {
		hash = h.nobody
	}
	err := bcrypt.CompareHashAndPassword(hash, digest(password))
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, fmt.Errorf("checking a password: %w", err)
	}
	return err == nil, nil
}

func (h *Hasher) enter(ctx context.Context) error {
	select {
	case h.seats <- struct{}{}:
	default:
		return overloaded(nil)
	}
	ctx, cancel := context.WithTimeout(ctx, hashWait)
	defer cancel()
	select {
	case h.turns <- struct{}{}:
		if ctx.Err() == nil {
			return nil
		}
		<-h.turns
	case <-ctx.Done():
	}
	<-h.seats
	return overloaded(ctx.Err())
}

func overloaded(cause error) error {
	err := bw.Errorf(bw.Overloaded, "too many passwords are being checked at this moment")
	err.Err = cause
	return err
}

func (h *Hasher) leave() {
	<-h.turns
	<-h.seats
}
