package janitor

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

// Within twice a lease's time nothing is left of a server that died, and its rooms
// know who is gone: not those who came back.
func TestADeadServersUsersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		one, two, victim := w.start(t, "one", nil), w.start(t, "two", nil), w.start(t, "victim", nil)
		pass(2 * ttl)
		dead, _ := victim.Current()
		w.enter(dead, 1, "ann", "bob")
		w.enter(dead, 2, "ann")
		victim.kill(w)
		pass(ttl) // at least 10 s of which its lease still lasted
		alive, _ := one.Current()
		w.enter(alive, 1, "bob")
		w.wantGone(t, nil)
		pass(ttl)
		w.wantMembers(t, 1)
		w.wantGone(t, map[string]int{"[ann] in 1": 1, "[ann] in 2": 1})
		one.stop()
		two.stop()
	})
}

// After an outage longer than a lease no server was able to renew, and all live. A
// janitor that does not wait until they had the time declares them dead.
func TestNobodyDiesOfAnOutage(t *testing.T) {
	for _, row := range []struct {
		name   string
		steady func() bool
		dead   bool
	}{
		{"with the guard", nil, false},
		{"without", func() bool { return true }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				judge := w.start(t, "judge", row.steady)
				slow, err := w.Register(t.Context(), "slow", ttl)
				if err != nil {
					t.Fatal(err)
				}
				pass(ttl / 2)
				w.set(func() { w.away = true })
				pass(4 * ttl)
				w.set(func() { w.away = false })
				pass(2 * time.Second) // until it tries again
				if err := w.Renew(t.Context(), slow, 2*ttl); (err != nil) != row.dead {
					t.Errorf("renewing after the outage: got %v, want a failure: %t", err, row.dead)
				}
				pass(ttl)
				if got := w.isDead(slow); got != row.dead {
					t.Errorf("a server that lives was declared dead: got %t, want %t", got, row.dead)
				}
				judge.stop()
			})
		})
	}
}

// A server that has just started knows nothing of what was before.
func TestAFreshServerJudgesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		quiet, err := w.Register(t.Context(), "quiet", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		n := w.start(t, "fresh", nil)
		pass(ttl - time.Second)
		if w.isDead(quiet) {
			t.Error("got a server declared dead by one that had just started, want a lease's time before")
		}
		pass(3 * time.Second)
		if !w.isDead(quiet) {
			t.Error("got nobody declared dead after a lease's time, want the quiet one")
		}
		n.stop()
	})
}

// Any number of janitors remove and tell everything once.
func TestManyJanitors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		dead, err := w.Register(t.Context(), "dead", ttl)
		if err != nil {
			t.Fatal(err)
		}
		const users = 2*batch + 500
		want := map[string]int{}
		for i := range users {
			name := bw.Name(fmt.Sprint("user ", i))
			w.enter(dead, 1, name)
			want[fmt.Sprintf("[%s] in 1", name)] = 1
		}
		_ = w.Release(t.Context(), dead)
		one, two := w.start(t, "one", nil), w.start(t, "two", nil)
		pass(grace - time.Millisecond)
		w.wantMembers(t, users)
		pass(2 * every)
		w.wantMembers(t, 0)
		w.wantGone(t, want)
		one.stop()
		two.stop()
	})
}

// A janitor dies at any line, or the answer to a call is lost: another one goes on,
// and a departure that is told again has the name it had.
func TestWhatOneLeavesUndoneAnotherDoes(t *testing.T) {
	for _, row := range []struct {
		dies  string
		times int // each departure is told
	}{{"bury", 1}, {"claim", 1}, {"announce", 2}, {"forget", 1}} {
		t.Run("after "+row.dies, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				dead, err := w.Register(t.Context(), "dead", ttl)
				if err != nil {
					t.Fatal(err)
				}
				w.enter(dead, 1, "ann", "bob")
				_ = w.Release(t.Context(), dead)
				pass(grace)
				died := false
				w.fail = func(call string) error {
					if call == row.dies && !died {
						died = true
						return errors.New("it died")
					}
					return nil
				}
				first := w.start(t, "first", nil)
				synctest.Wait()
				if !died {
					t.Fatal("it lives")
				}
				first.kill(w)
				second := w.start(t, "second", nil)
				pass(hold + 2*every)
				w.wantMembers(t, 0)
				w.wantGone(t, map[string]int{"[ann] in 1": row.times, "[bob] in 1": row.times})
				if len(w.departures) > 0 || len(w.told) != 2 {
					t.Errorf("got %d departures left and %d names of two, want none and two", len(w.departures), len(w.told))
				}
				second.stop()
			})
		})
	}
}

// What nobody heard is not forgotten.
func TestADepartureIsKeptUntilItIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		dead, err := w.Register(t.Context(), "dead", ttl)
		if err != nil {
			t.Fatal(err)
		}
		w.enter(dead, 1, "ann", "bob")
		_ = w.Release(t.Context(), dead)
		w.deaf = true
		n := w.start(t, "one", nil)
		pass(time.Minute)
		w.wantMembers(t, 0)
		w.wantGone(t, nil)
		id, _ := n.Current()
		w.enter(id, 1, "bob") // of whom nobody knows that he was gone
		w.set(func() { w.deaf = false })
		pass(hold + 2*every)
		w.wantGone(t, map[string]int{"[ann] in 1": 1})
		n.stop()
	})
}

// A pass of a server that has no others goes all the way.
func TestOnePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		dead, err := w.Register(t.Context(), "alone", ttl)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 * batch {
			w.enter(dead, bw.RoomID(i), "ann")
		}
		n := w.start(t, "alone", nil)
		_ = n.Close()
		n.cfg.Grace = 0
		if err := n.Pass(t.Context()); err != nil {
			t.Errorf("got %v, want no error", err)
		}
		w.wantMembers(t, 0)
		if got := len(w.gone()); got != 3*batch {
			t.Errorf("got %d told to be gone, want %d", got, 3*batch)
		}
		w.away = true
		if err := n.Pass(t.Context()); !errors.Is(err, errAway) {
			t.Errorf("got %v while the store is away, want that", err)
		}
		w.away = false
		_ = n.Release()
	})
}
