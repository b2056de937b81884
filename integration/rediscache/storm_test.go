package rediscache_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/cache/rediscache"
)

// A storm of people asks for as many keys at once: they share round trips, so that
// none of them waits in vain and nobody takes Redis for away. A machine that stands
// still for a second spoils one storm, and hardly the next ones.
func TestAStormOfCallersIsAnswered(t *testing.T) {
	const callers, tries = 5000, 3
	c := openAsServers(t, rediscache.Config{})
	for range tries {
		got := storm(t, c, callers)
		if got <= callers/100 {
			return
		}
		t.Logf("got %d of %d calls failed, want none", got, callers)
	}
	t.Errorf("calls failed in each of %d storms", tries)
}

// storm gives how many of so many calls at once failed.
func storm(t *testing.T, c view, callers int) int {
	t.Helper()
	answers(t, c)
	var failed atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for i := range callers {
		all.Go(func() {
			if _, _, err := c.Get(t.Context(), fmt.Sprint("storm ", i)); err != nil {
				failed.Add(1)
			}
		})
	}
	all.Wait()
	t.Logf("%d calls in %v", callers, time.Since(began))
	return int(failed.Load())
}
