package admission

import (
	"testing"
	"time"
)

// overloaded lets looks pass at which most is refused or nothing is, and counts at
// how many the load balancer was to be told.
func overloaded(o *Overload, l *Limit, clock *time.Time, heavy bool, d time.Duration) (told int) {
	for range int(d / OverloadLook) {
		if heavy {
			l.Refuse(1)
		}
		*clock = clock.Add(OverloadLook)
		o.Look(*clock)
		if o.Turning() {
			told++
		}
	}
	return told
}

func TestOverloadTellsForAWhile(t *testing.T) {
	l, clock := NewLimit(forTest), time.Unix(1e9, 0)
	o := NewOverload(l)
	if n := overloaded(o, l, &clock, true, 1900*time.Millisecond); n > 0 {
		t.Error("told at once, want it only when the overload lasts")
	}
	if n := overloaded(o, l, &clock, true, 4*time.Second); n < 38 {
		t.Errorf("told at %d of 40 looks of a lasting overload", n)
	}
	// A lasting one is not told all the time: all servers may have it.
	share := float64(overloaded(o, l, &clock, true, 10*time.Minute)) / (600 * 10)
	if share < 0.2 || share > 0.45 {
		t.Errorf("told for %.0f %% of the time, want about a third", 100*share)
	}
}

func TestOverloadEndsSoon(t *testing.T) {
	l, clock := NewLimit(forTest), time.Unix(1e9, 0)
	o := NewOverload(l)
	overloaded(o, l, &clock, true, 3*time.Second)
	if !o.Turning() {
		t.Fatal("not told of an overload of 3 s")
	}
	overloaded(o, l, &clock, false, 2100*time.Millisecond)
	if o.Turning() {
		t.Error("still told 2.1 s behind the overload")
	}
	if n := overloaded(o, l, &clock, true, 10*time.Second); n > 0 {
		t.Errorf("told again at %d looks within 10 s, want a rest", n)
	}
}
