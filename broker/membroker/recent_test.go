package membroker

import (
	"fmt"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"pgregory.net/rapid"
)

func recentKey(i int) sendKey { return sendKey{1, "ann", bw.MessageID(fmt.Sprint(i))} }

// A send of the last window is never taken for new.
func TestRecentForgetsNothingOfTheWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.UnixMilli(0)
		r := newRecent(rapid.IntRange(0, 1<<12).Draw(t, "size"), now)
		added := map[int]time.Time{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, int(bw.DedupeWindow)).Draw(t, "pass")))
			r.rotate(now)
			i := rapid.IntRange(0, 20).Draw(t, "send")
			at, before := added[i]
			perhaps := r.add(r.hash(recentKey(i)))
			if before && now.Sub(at) <= bw.DedupeWindow && !perhaps {
				t.Fatalf("send %d of %v ago: taken for new", i, now.Sub(at))
			}
			added[i] = now
		}
	})
}

// What is new is known to be new, nearly always, up to the load it is made for.
func TestRecentKnowsWhatIsNew(t *testing.T) {
	const size, sends = 1 << 20, 400_000 // the default size for 20,000 sends a second, scaled
	now := time.UnixMilli(0)
	r := newRecent(size, now)
	wrong := 0
	for generation := range 2 {
		now = now.Add(bw.DedupeWindow)
		r.rotate(now)
		wrong = 0
		for i := range sends {
			if r.add(r.hash(recentKey(generation*sends + i))) {
				wrong++
			}
		}
	}
	if share := float64(wrong) / sends; share > 0.02 {
		t.Fatalf("new sends taken for perhaps known: got %.2f %%, want at most 2 %%", 100*share)
	}
}

func TestRecentForgetsInTheEnd(t *testing.T) {
	now := time.UnixMilli(0)
	r := newRecent(1<<10, now)
	r.add(r.hash(recentKey(1)))
	for range 2 {
		now = now.Add(bw.DedupeWindow)
		r.rotate(now)
	}
	if r.add(r.hash(recentKey(1))) {
		t.Fatal("a send of two windows ago: got perhaps, want new")
	}
}

func BenchmarkRecent(b *testing.B) {
	r := newRecent(16<<20, time.Now())
	key := sendKey{12, "some user name", "0000-0000-0000-0000"}
	for i := 0; b.Loop(); i++ {
		key.room = bw.RoomID(i)
		r.add(r.hash(key))
	}
}
