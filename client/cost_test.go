package client

import (
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/breakwater-chat/breakwater/wire"
)

// goroutines counts those that run code of this package, the tests left aside.
func goroutines(t *testing.T) (count int) {
	t.Helper()
	var all strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&all, 2); err != nil {
		t.Fatal(err)
	}
	for _, stack := range strings.Split(all.String(), "\n\n") {
		if strings.Contains(stack, "client.(*session)") || strings.Contains(stack, "client.(*Client).ring") {
			count++
		}
	}
	return count
}

func TestAConnectionCostsOneGoroutineAndAWaitNone(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		s := w.post(1, "a", "x")
		p.say(ack(p.last(wire.TypeSend), 1, false))
		s.stored(1)
		if got := goroutines(t); got != 1 {
			t.Errorf("got %d goroutines of an idle connection, want 1", got)
		}
		p.drop()
		w.wantState(Waiting, "network")
		if got := goroutines(t); got != 0 {
			t.Errorf("got %d goroutines of a client that waits, want none", got)
		}
	})
}
