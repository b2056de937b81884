package auth

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	bw "github.com/breakwater-chat/breakwater"
)

func TestPasswordsThatWillDo(t *testing.T) {
	for _, c := range []struct {
		name, password string
		want           bw.Kind
	}{
		{"none", "", bw.WeakPassword},
		{"7 characters", "1234567", bw.WeakPassword},
		{"7 characters of 21 bytes", "漢漢漢漢漢漢漢", bw.WeakPassword},
		{"8 characters", "12345678", ""},
		{"8 characters of 24 bytes", "漢漢漢漢漢漢漢漢", ""},
		{"1,024 bytes", strings.Repeat("x", 1_024), ""},
		{"1,025 bytes", strings.Repeat("x", 1_025), bw.WeakPassword},
		{"400 characters of 1,200 bytes", strings.Repeat("漢", 400), bw.WeakPassword},
	} {
		if err := CheckPassword(c.password); bw.KindOf(err) != c.want {
			t.Errorf("%s: got %v, want kind %q", c.name, err, c.want)
		}
	}
}

// hashOf takes a while: all tests have the same of "password".
var hashOf = sync.OnceValue(func() []byte { return made(NewHasher(1).Hash(context.Background(), "password")) })

func TestCheckKnowsThePassword(t *testing.T) {
	h, hash := NewHasher(1), hashOf()
	for password, want := range map[string]bool{"password": true, "passwort": false, "": false} {
		if ok, err := h.Check(t.Context(), hash, password); ok != want || err != nil {
			t.Errorf("check of %q: got %v and %v, want %v", password, ok, err, want)
		}
	}
}

// bcrypt looks at 72 bytes and stops at a zero byte: what it is given instead of
// a password differs wherever passwords do.
func TestAllOfAPasswordCounts(t *testing.T) {
	long := strings.Repeat("x", maxPassword-1)
	for _, c := range []struct{ name, one, other string }{
		{"case", "password", "Password"},
		{"a space behind it", "password", "password "},
		{"nothing", "password", ""},
		{"the last of many bytes", long + "1", long + "2"},
		{"behind a zero byte", "password\x001", "password\x002"},
		{"any script", "пароль漢字😀", "пароль漢字😁"},
	} {
		one, other := digest(c.one), digest(c.other)
		if bytes.Equal(one, other) || len(one) > 72 || bytes.IndexByte(one, 0) >= 0 {
			t.Errorf("%s: got %q and %q, want two that differ, of at most 72 bytes, none of them zero", c.name, one, other)
		}
	}
}

func TestHashesOfAPasswordDiffer(t *testing.T) {
	if one, two := hashOf(), made(NewHasher(1).Hash(t.Context(), "password")); bytes.Equal(one, two) {
		t.Errorf("two hashes of one password: got %q twice, want two with salts of their own", one)
	}
}

// A name that nobody has must cost what others do: its password is compared with
// a hash of the same cost, and bcrypt goes all the way to a result that differs,
// where it would stop early at a hash that is malformed.
func TestNobodysPasswordCostsTheSame(t *testing.T) {
	h := NewHasher(1)
	got, err := bcrypt.Cost(h.nobody)
	want, err2 := bcrypt.Cost(hashOf())
	if err := errors.Join(err, err2); err != nil || got != want {
		t.Errorf("cost: got %d and %v, want %d", got, err, want)
	}
	if err := bcrypt.CompareHashAndPassword(h.nobody, digest("password")); !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		t.Errorf("compare: got %v, want %v", err, bcrypt.ErrMismatchedHashAndPassword)
	}
	tells := &Hasher{seats: h.seats, turns: h.turns, nobody: []byte("malformed")}
	for name, hash := range map[string][]byte{"no hash": nil, "an empty hash": {}} {
		if ok, err := h.Check(t.Context(), hash, "password"); ok || err != nil {
			t.Errorf("%s: got %v and %v, want false", name, ok, err)
		}
		if _, err := tells.Check(t.Context(), hash, "password"); !errors.Is(err, bcrypt.ErrHashTooShort) {
			t.Errorf("%s, where nobody's is malformed: got %v, want %v: it was not compared with", name, err, bcrypt.ErrHashTooShort)
		}
	}
}

func TestMalformedHashesAreErrors(t *testing.T) {
	whole := string(hashOf())
	for name, hash := range map[string]string{
		"a word": "password", "half a hash": whole[:30], "another version": "$9" + whole[2:],
		"a cost that is none": whole[:4] + "xx" + whole[6:], "a cost too low": whole[:4] + "01" + whole[6:],
	} {
		if ok, err := NewHasher(1).Check(t.Context(), []byte(hash), "password"); ok || bw.KindOf(err) != bw.Internal {
			t.Errorf("%s: got %v and %v, want an internal error", name, ok, err)
		}
	}
}

// busy is a hasher all of whose turns are taken.
func busy(t *testing.T, concurrency int) *Hasher {
	t.Helper()
	h := NewHasher(concurrency)
	for range concurrency {
		if err := h.enter(t.Context()); err != nil {
			t.Fatalf("enter: %v", err)
		}
	}
	return h
}

// wantOverloaded hashes and checks, where there is no turn.
func wantOverloaded(ctx context.Context, t *testing.T, h *Hasher) {
	t.Helper()
	if hash, err := h.Hash(ctx, "password"); bw.KindOf(err) != bw.Overloaded || hash != nil {
		t.Errorf("hash: got %q and %v, want overloaded", hash, err)
	}
	if ok, err := h.Check(ctx, nil, "password"); bw.KindOf(err) != bw.Overloaded || ok {
		t.Errorf("check: got %v and %v, want overloaded", ok, err)
	}
}

func TestNobodyWaitsForATurnForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := busy(t, 2)
		began := time.Now()
		wantOverloaded(t.Context(), t, h)
		if got := time.Since(began); got != 2*hashWait {
			t.Errorf("two that waited: got %v, want %v", got, 2*hashWait)
		}
		h.leave()
		if ok, err := h.Check(t.Context(), nil, "password"); ok || err != nil {
			t.Errorf("with a turn: got %v and %v, want false", ok, err)
		}
	})
}

func TestWaitersGetTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := busy(t, 1)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if ok, err := h.Check(t.Context(), nil, "password"); ok || err != nil {
					t.Errorf("check: got %v and %v, want false", ok, err)
				}
			})
		}
		synctest.Wait()
		h.leave()
		all.Wait()
		if seats, turns := len(h.seats), len(h.turns); seats != 0 || turns != 0 {
			t.Errorf("taken at the end: got %d seats and %d turns, want none", seats, turns)
		}
	})
}

func TestNoMoreWaitThanGetATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := busy(t, 2)
		ctx, giveUp := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 2 * hashQueue {
			all.Go(func() {
				if err := h.enter(ctx); bw.KindOf(err) != bw.Overloaded {
					t.Errorf("a waiter: got %v, want overloaded", err)
				}
			})
		}
		synctest.Wait()
		began := time.Now()
		wantOverloaded(t.Context(), t, h)
		if got := time.Since(began); got != 0 {
			t.Errorf("one too many: waited %v, want an answer at once", got)
		}
		giveUp()
		all.Wait()
		if seats := len(h.seats); seats != 2 {
			t.Errorf("seats taken: got %d, want those of the two that work", seats)
		}
	})
}

func TestGivingUpEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := busy(t, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := h.enter(ctx)
		if got := time.Since(began); got != time.Second || bw.KindOf(err) != bw.Overloaded || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v after %v, want overloaded, by the deadline, after 1s", err, got)
		}
	})
}

func TestNoWorkForWhoHasGone(t *testing.T) {
	h := NewHasher(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 { // chance would let some pass
		if err := h.enter(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("enter: got %v, want %v", err, context.Canceled)
		}
	}
	wantOverloaded(ctx, t, h)
	if ok, err := h.Check(t.Context(), nil, "password"); ok || err != nil {
		t.Errorf("those who stay: got %v and %v, want false", ok, err)
	}
}

func TestAHasherOfNoTurnsHasOne(t *testing.T) {
	if _, err := NewHasher(0).Hash(t.Context(), "password"); err != nil {
		t.Errorf("got %v, want a hash", err)
	}
}
