package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

const ttl = 15 * time.Second

// registry is a store of leases: it can be away, silent, or of the opinion that the
// server is dead.
type registry struct {
	mu sync.Mutex
	// away makes every call fail, deaf until its context ends; held keeps an answer
	// back, whatever the context says, as a process that is stopped does.
	away, deaf bool
	held       time.Duration
	newest     bw.Incarnation
	dead       bool
	taken      bool // another process has the name
	renewed    int
	registered int
	released   []store.Identity
}

var errAway = bw.Unavailablef(errors.New("no route"), "the store is away")

func (r *registry) answer(ctx context.Context) error {
	r.mu.Lock()
	held := r.held
	r.mu.Unlock()
	if held > 0 {
		<-time.After(held)
	}
	r.mu.Lock()
	away, deaf := r.away, r.deaf
	r.mu.Unlock()
	if deaf {
		<-ctx.Done()
		return bw.Unavailablef(ctx.Err(), "no answer")
	}
	if away {
		return errAway
	}
	return nil
}

// Register implements Leases.
func (r *registry) Register(ctx context.Context, server bw.ServerID, _ time.Duration) (store.Identity, error) {
	r.set(func() { r.registered++ })
	if err := r.answer(ctx); err != nil {
		return store.Identity{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest++
	r.dead = false
	return store.Identity{Server: server, Incarnation: r.newest}, nil
}

// Succeed implements Leases.
func (r *registry) Succeed(ctx context.Context, former store.Identity, ttl time.Duration) (store.Identity, error) {
	r.mu.Lock()
	taken := r.taken
	r.mu.Unlock()
	if taken {
		return store.Identity{}, store.ErrSuperseded
	}
	return r.Register(ctx, former.Server, ttl)
}

// Renew implements Leases.
func (r *registry) Renew(ctx context.Context, id store.Identity, _ time.Duration) error {
	r.set(func() { r.renewed++ })
	if err := r.answer(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dead || id.Incarnation != r.newest {
		return store.ErrFenced
	}
	return nil
}

// Release implements Leases.
func (r *registry) Release(ctx context.Context, id store.Identity) error {
	if err := r.answer(ctx); err != nil {
		return err
	}
	r.set(func() { r.released = append(r.released, id) })
	return nil
}

func (r *registry) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func (r *registry) count() (renewed, registered int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.renewed, r.registered
}

// withKeeper runs a test against a keeper over a registry.
func withKeeper(t *testing.T, test func(t *testing.T, k *Keeper, r *registry)) {
	synctest.Test(t, func(t *testing.T) {
		r := &registry{}
		cfg := Config{Server: "here", TTL: ttl, Registerer: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)}
		k, err := Take(t.Context(), cfg, r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			r.set(func() { r.away, r.deaf, r.held = false, false, 0 })
			if err := k.Release(); err != nil {
				t.Errorf("release: got %v, want no error", err)
			}
			if id, _ := k.Current(); len(r.released) != 1 || r.released[0] != id {
				t.Errorf("got %v released, want %v", r.released, id)
			}
			if k.Standing() {
				t.Error("got standing after the release, want none")
			}
		}()
		test(t, k, r)
	})
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// stands fails unless the server stands, or does not, at every moment of a time.
func stands(t *testing.T, k *Keeper, want bool, during time.Duration) {
	t.Helper()
	for began := time.Now(); time.Since(began) < during; pass(10 * time.Millisecond) {
		if got := k.Standing(); got != want {
			t.Fatalf("after %v: got standing %t, want %t", time.Since(began), got, want)
		}
	}
}

func TestALeaseIsRenewed(t *testing.T) {
	withKeeper(t, func(t *testing.T, k *Keeper, r *registry) {
		stands(t, k, true, time.Minute)
		if renewed, registered := r.count(); renewed < 11 || renewed > 12 || registered != 1 {
			t.Errorf("got %d renewals and %d registrations in a minute, want one in 5 s and one", renewed, registered)
		}
	})
}

// A store that is away, or does not answer, for much longer than a lease takes
// nobody's standing away.
func TestAnOutageOfTheStoreTakesNoStanding(t *testing.T) {
	for name, begin := range map[string]func(*registry){
		"away":   func(r *registry) { r.away = true },
		"silent": func(r *registry) { r.deaf = true },
	} {
		t.Run(name, func(t *testing.T) {
			withKeeper(t, func(t *testing.T, k *Keeper, r *registry) {
				before, over := k.Current()
				pass(2 * ttl)
				if !k.Steady() {
					t.Error("got an unsteady lease after two leases' time, want a steady one")
				}
				r.set(func() { begin(r) })
				pass(ttl)
				was, _ := r.count()
				stands(t, k, true, 10*ttl)
				if k.Steady() {
					t.Error("got a steady lease in an outage, want none")
				}
				if now, _ := r.count(); now-was < 20 || now-was > 400 {
					t.Errorf("got %d attempts in %v, want one every few seconds", now-was, 10*ttl)
				}
				r.set(func() { r.away, r.deaf = false, false })
				pass(ttl / renewals)
				stands(t, k, true, ttl/2)
				if k.Steady() {
					t.Error("got a steady lease before a lease's time without a failure, want none")
				}
				pass(ttl)
				if !k.Steady() {
					t.Error("got an unsteady lease long after the outage, want a steady one")
				}
				if after, _ := k.Current(); after != before {
					t.Errorf("got %v after an outage, want %v still", after, before)
				}
				select {
				case <-over:
					t.Error("got another incarnation, want none")
				default:
				}
			})
		})
	}
}

// One failure is enough to judge nobody for a lease's time: others may have had more.
func TestAFailureIsEnoughNotToJudge(t *testing.T) {
	withKeeper(t, func(t *testing.T, k *Keeper, r *registry) {
		pass(2*ttl + time.Second)
		r.set(func() { r.away = true })
		pass(ttl / renewals)
		r.set(func() { r.away = false })
		pass(2 * time.Second)
		for began := time.Now(); time.Since(began) < ttl-3*time.Second; pass(time.Second) {
			if k.Steady() {
				t.Fatalf("got a steady lease %v after a failure, want none", time.Since(began))
			}
		}
		pass(5 * time.Second)
		if !k.Steady() {
			t.Error("got an unsteady lease long after a failure, want a steady one")
		}
	})
}

// A process that is stopped stands no more when it wakes, even if it was stopped in
// the middle of an attempt that then succeeds; it stands again, at once, by the next
// answer only, and judges nobody for a lease's time: the others may all have been stopped.
func TestWhoWasStoppedStandsNoMore(t *testing.T) {
	for _, dead := range []bool{false, true} {
		t.Run(fmt.Sprintf("declared dead %t", dead), func(t *testing.T) {
			withKeeper(t, func(t *testing.T, k *Keeper, r *registry) {
				const stop, answer = 3 * ttl, 100 * time.Millisecond
				before, over := k.Current()
				pass(2 * ttl)
				pass(ttl/renewals - time.Millisecond) // Just before a renewal.
				r.set(func() { r.held = stop })
				pass(2 * time.Millisecond) // It is being asked for, and the process is stopped.
				r.set(func() { r.held, r.dead = answer, dead })
				pass(stop - 2*time.Millisecond)
				stands(t, k, false, answer/2) // It wakes, and has the answer to what it asked before,
				pass(answer)                  // and now to what it asked since.
				if !k.Standing() {
					t.Fatal("got no standing after an answer, want it back")
				}
				if k.Steady() {
					t.Error("got a steady lease just after a stop, want none")
				}
				stands(t, k, true, ttl+time.Second)
				if !k.Steady() {
					t.Error("got an unsteady lease long after a stop, want a steady one")
				}
				if after, _ := k.Current(); (after != before) != dead {
					t.Errorf("got %v after %v, want another one: %t", after, before, dead)
				}
				select {
				case <-over:
				default:
					if dead {
						t.Error("nobody was told of the new incarnation")
					}
				}
			})
		})
	}
}

// Whoever finds that the server does not stand makes the keeper ask at once.
func TestStandingThatIsOverIsLookedAfterAtOnce(t *testing.T) {
	withKeeper(t, func(t *testing.T, k *Keeper, r *registry) {
		k.standing.Store(0) // as after a stop, when the next renewal is due in some seconds
		if k.Standing() {
			t.Fatal("got standing, want none")
		}
		synctest.Wait()
		if !k.Standing() {
			t.Error("got no standing after the renewal, want it back at once")
		}
	})
}

// The store's word to anybody is enough, and only about the present incarnation.
func TestWhoIsFencedRegistersAgain(t *testing.T) {
	withKeeper(t, func(t *testing.T, k *Keeper, r *registry) {
		first, over := k.Current()
		pass(2 * ttl)
		r.set(func() { r.dead, r.away = true, true })
		k.Lost(first)
		k.Lost(first)
		if k.Standing() {
			t.Error("got standing though fenced, want none")
		}
		stands(t, k, false, 2*ttl) // also while the store is away
		if _, registered := r.count(); registered > 100 {
			t.Errorf("got %d registrations in %v, want about one a second", registered, 2*ttl)
		}
		r.set(func() { r.away = false })
		pass(2 * time.Second)
		second, _ := k.Current()
		if !k.Standing() || second.Incarnation <= first.Incarnation {
			t.Errorf("got %v, standing %t; want a later incarnation than %v that stands", second, k.Standing(), first)
		}
		if k.Steady() {
			t.Error("got a steady lease just after it was taken, want none")
		}
		select {
		case <-over:
		default:
			t.Error("nobody was told of the new incarnation")
		}
		k.Lost(first) // old news
		if !k.Standing() {
			t.Error("got no standing after old news, want it kept")
		}
	})
}

// TestANameThatIsTaken: who was declared dead while another process began under his
// name does not take it back.
func TestANameThatIsTaken(t *testing.T) {
	withKeeper(t, func(t *testing.T, k *Keeper, r *registry) {
		first, over := k.Current()
		r.set(func() { r.dead, r.taken = true, true })
		pass(ttl)
		select {
		case <-k.Superseded():
		default:
			t.Error("another process has the name: got no word of it")
		}
		stands(t, k, false, 2*ttl)
		if now, _ := k.Current(); now != first {
			t.Errorf("got the incarnation %v, want %v to be the last", now, first)
		}
		select {
		case <-over:
			t.Error("got a successor, want none")
		default:
		}
	})
}

func TestAServerThatCannotRegisterDoesNotStart(t *testing.T) {
	cfg := Config{Server: "here", TTL: ttl, Registerer: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)}
	if _, err := Take(t.Context(), cfg, &registry{away: true}); !errors.Is(err, errAway) {
		t.Errorf("got %v, want that the store is away", err)
	}
}
