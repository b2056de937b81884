package admission

import (
	"testing"
	"testing/synctest"
	"time"
)

var forTest = LimitConfig{Wait: 100 * time.Millisecond, Least: 10, Most: 1000, Burst: 200, Reserved: 0.25}

// crowd keeps a limit full for a time while so many pieces of work are finished a second.
func crowd(l *Limit, perSecond int, d time.Duration) {
	tick := time.Second / time.Duration(perSecond)
	for range int(d / tick) {
		for l.Enter(true) {
		}
		<-time.After(tick)
		l.Leave(true)
	}
}

// What is under way is what is finished in the time that work may take.
func TestLimitFollowsWhatIsFinished(t *testing.T) {
	for _, row := range []struct {
		name            string
		perSecond, want int64
	}{
		{"quick", 2000, 200},
		{"slow", 500, 50},
		{"so slow that batches would be too small", 20, 10},
		{"quicker than bursts", 8000, 800},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := NewLimit(forTest)
				crowd(l, int(row.perSecond), 3*time.Second)
				if _, most := l.State(); most < row.want*9/10 || most > row.want*11/10 {
					t.Errorf("got a limit of %d for %d a second, want about %d", most, row.perSecond, row.want)
				}
			})
		})
	}
}

// An overload is over when it is over: bursts may come again.
func TestLimitForgetsAnOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimit(forTest)
		crowd(l, 100, 5*time.Second)
		for n, _ := l.State(); n > 0; n-- {
			l.Leave(true)
		}
		_, low := l.State()
		for range 200 {
			<-time.After(lookEvery)
			if !l.Enter(false) {
				t.Fatal("one alone is refused")
			}
			l.Leave(true)
		}
		if _, most := l.State(); low > 20 || most < 190 {
			t.Errorf("got a limit of %d in the overload and of %d 20 s behind it, want about 10 and 200", low, most)
		}
	})
}

// Work that pauses now and then, at half of what can be done, is not taken for an
// overload behind one: the limit gets high enough for what comes in a pause.
func TestLimitForgetsAnOverloadThoughTheWorkPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimit(forTest)
		crowd(l, 500, 5*time.Second)
		const every, pause, calm, end = 700, 150, 10_000, 15_000 // ms; one comes in each
		refused := 0
		for now := range end {
			if !l.Enter(true) && now > calm {
				refused++
			}
			<-time.After(time.Millisecond)
			if now%every < pause {
				continue
			}
			for range 2 {
				if n, _ := l.State(); n > 0 {
					l.Leave(true)
				}
			}
		}
		if refused > 0 {
			_, most := l.State()
			t.Errorf("got %d of %d refused, 10 s behind the overload, and a limit of %d", refused, end-calm, most)
		}
	})
}

// Who comes back goes before who is new.
func TestLimitKeepsPlacesForWhoComesBack(t *testing.T) {
	l := NewLimit(forTest)
	count := func(back bool) (n int) {
		for l.Enter(back) {
			n++
		}
		return n
	}
	if got := count(false); got != 150 {
		t.Errorf("got %d new ones in, want 150", got)
	}
	if !l.Full() {
		t.Error("it is not full for new ones")
	}
	if got := count(true); got != 50 {
		t.Errorf("got %d more in who come back, want 50", got)
	}
	if entered, refused := l.Counts(); entered != 200 || refused != 2 {
		t.Errorf("got %d entered and %d refused, want 200 and 2", entered, refused)
	}
}

func TestLimitCanBeSwitchedOff(t *testing.T) {
	l := NewLimit(LimitConfig{})
	for range 10 {
		if l.Full() || !l.Enter(false) {
			t.Fatal("refused without a limit")
		}
	}
}
