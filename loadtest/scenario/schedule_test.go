package scenario

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/swarm"
)

// TestALateGeneratorOmitsNothing has the generator held up for two seconds in the middle:
// what was due meanwhile is sent afterwards, and measured from when it was due.
func TestALateGeneratorOmitsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := swarm.NewClock()
		begin := clock.Now()
		s := newSchedule(begin, 10, false, rand.New(rand.NewPCG(1, 1)))
		var latest time.Duration
		sent := 0
		for clock.Now()-begin < 5*time.Second {
			for s.next() <= clock.Now() {
				latest = max(latest, clock.Now()-s.take())
				sent++
			}
			wait := s.next() - clock.Now()
			if sent == 20 {
				wait += 2 * time.Second
			}
			<-time.After(wait)
		}
		if sent < 49 || sent > 50 {
			t.Errorf("got %d sends in 5 s at 10 a second, want 50, however late", sent)
		}
		if latest < 2*time.Second || latest > 2100*time.Millisecond {
			t.Errorf("got the latest %v behind its time, want 2 s", latest)
		}
	})
}

// TestRatesAreKeptForLong holds that rounding does not add up, and that a seed gives
// the same times again.
func TestRatesAreKeptForLong(t *testing.T) {
	for _, poisson := range []bool{false, true} {
		const rate, sends = 3000, 300_000
		s := newSchedule(0, rate, poisson, rand.New(rand.NewPCG(7, 7)))
		again := newSchedule(0, rate, poisson, rand.New(rand.NewPCG(7, 7)))
		var before, at time.Duration
		for range sends {
			if at = s.take(); at < before {
				t.Fatalf("got %v behind %v, want times that grow", at, before)
			}
			if other := again.take(); other != at {
				t.Fatalf("got %v and %v with the same seed", at, other)
			}
			before = at
		}
		if want := sends / rate * time.Second; at < want*99/100 || at > want*101/100 {
			t.Errorf("got the last of %d sends at %v (Poisson: %t), want %v", sends, at, poisson, want)
		}
	}
}

func TestARateOfZeroNeverComes(t *testing.T) {
	if got := newSchedule(5, 0, true, rand.New(rand.NewPCG(1, 1))).next(); got != never {
		t.Errorf("got %v, want never", got)
	}
}
