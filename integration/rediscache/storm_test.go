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
// none of them waits in vain and nobody takes Redis for away.
func TestAStormOfCallersIsAnswered(t *testing.T) {
	const callers = 5000
	c := open(t, rediscache.Config{})
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
	if got := failed.Load(); got > callers/100 {
		t.Errorf("got %d of %d calls failed, want none", got, callers)
	}
}
