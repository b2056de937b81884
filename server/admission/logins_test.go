package admission

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

// fail notes some wrong passwords for a name at once.
func fail(g *LoginGuard, name bw.Name, times int) {
	for range times {
		g.Failed(name)
	}
}

func wantWait(t *testing.T, g *LoginGuard, name bw.Name, want time.Duration) {
	t.Helper()
	if got := g.Wait(name); got != want {
		t.Errorf("wait of %s: got %v, want %v", name, got, want)
	}
}

func TestTenWrongPasswordsAreFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewLoginGuard(many)
		wantWait(t, g, "ann", 0)
		for range 9 {
			g.Failed("ann")
			wantWait(t, g, "ann", 0)
		}
		g.Failed("ann")
		wantWait(t, g, "ann", time.Second)
		wantWait(t, g, "Ann", 0)
	})
}

func TestWaitsGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewLoginGuard(many)
		fail(g, "ann", freeTries)
		for _, seconds := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300} {
			want := time.Duration(seconds) * time.Second
			wantWait(t, g, "ann", want)
			<-time.After(want - 1)
			wantWait(t, g, "ann", 1)
			<-time.After(1)
			wantWait(t, g, "ann", 0)
			g.Failed("ann")
		}
		fail(g, "ann", 1_000)
		wantWait(t, g, "ann", longestWait)
	})
}

func TestSuccessForgetsTheWrongOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewLoginGuard(many)
		for _, wrong := range []int{1, freeTries - 1, freeTries, freeTries + 5} {
			fail(g, "ann", wrong)
			g.Succeeded("ann")
			fail(g, "ann", freeTries-1)
			wantWait(t, g, "ann", 0)
			g.Succeeded("ann")
		}
		g.Succeeded("nobody")
		if got := len(g.names); got != 0 {
			t.Errorf("names remembered: got %d, want none", got)
		}
	})
}

// A wrong password now and then, over months, is nobody's attack.
func TestWrongPasswordsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewLoginGuard(many)
		for range 5 * freeTries {
			g.Failed("now and then")
			<-time.After(forgetAfter + 1)
		}
		wantWait(t, g, "now and then", 0)
		fail(g, "ann", freeTries+20)
		<-time.After(forgetAfter + 1)
		g.Failed("ann")
		wantWait(t, g, "ann", 0)
		fail(g, "ann", freeTries-1)
		wantWait(t, g, "ann", time.Second)
	})
}

func TestWrongPasswordsOfLongAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewLoginGuard(many)
		for range freeTries {
			<-time.After(forgetAfter)
			g.Failed("ann")
		}
		wantWait(t, g, "ann", time.Second)
	})
}

func TestNamesAreBounded(t *testing.T) {
	for _, limit := range []int{1, 2, 10, 1_000} {
		g := NewLoginGuard(limit)
		for i := range 5 * limit {
			fail(g, bw.Name(fmt.Sprint("name ", i)), 1+i%(2*freeTries))
			if got := len(g.names); got > limit {
				t.Fatalf("names after %d: got %d, want at most %d", i+1, got, limit)
			}
		}
	}
}

// Who guesses one name's password cannot have it forgotten by guessing many.
func TestAFloodOfNamesFreesNobodyWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewLoginGuard(100)
		fail(g, "ann", freeTries+3)
		for i := range 10_000 {
			fail(g, bw.Name(fmt.Sprint("name ", i)), 1+i%(freeTries-1))
		}
		wantWait(t, g, "ann", 8*time.Second)
	})
}

func TestTheOldMakeRoomFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewLoginGuard(100)
		for i := range 99 {
			fail(g, bw.Name(fmt.Sprint("old ", i)), 2*freeTries)
		}
		<-time.After(forgetAfter + 1)
		fail(g, "recent", 3)
		g.Failed("one more")
		if got := len(g.names); got != 2 || g.names["recent"].count != 3 {
			t.Errorf("names: got %d, and %d wrong passwords of the recent one, want 2 and 3", got, g.names["recent"].count)
		}
	})
}

func TestTheGuardAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewLoginGuard(many)
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				for range 50 {
					g.Failed("ann")
					g.Wait("ann")
					g.Failed(bw.Name(fmt.Sprint("name ", i)))
					g.Succeeded(bw.Name(fmt.Sprint("name ", i)))
				}
			})
		}
		all.Wait()
		wantWait(t, g, "ann", longestWait)
	})
}
