package cache_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
)

// truth is a source whose value changes, and whose loads can be held after they
// have read it.
type truth struct {
	mu    sync.Mutex
	value string
	// read says that a load has read the value; it goes on when gate is closed.
	read, gate chan struct{}
}

func newTruth(value string) *truth {
	return &truth{value: value, read: make(chan struct{}, 100), gate: make(chan struct{})}
}

func (t *truth) load(context.Context) (string, bool, error) {
	t.mu.Lock()
	value := t.value
	t.mu.Unlock()
	t.read <- struct{}{}
	<-t.gate
	return value, true, nil
}

func (t *truth) set(value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.value = value
}

func (s *subject) invalidate() {
	s.Helper()
	if err := s.Invalidate(context.Background(), "key"); err != nil {
		s.Fatalf("invalidate: %v", err)
	}
}

func TestInvalidateForgets(t *testing.T) {
	s := open(t)
	s.want(gives("old"), "old", true)
	s.want(gives("new"), "old", true)
	s.invalidate()
	s.want(gives("new"), "new", true)
}

// A load reads the old value; it changes and is invalidated; the load ends.
func TestInvalidateDuringALoadDoesNotBringTheOldValueBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, source := open(t), newTruth("old")
		var early sync.WaitGroup
		early.Go(func() { s.want(source.load, "old", true) })
		<-source.read
		source.set("new")
		s.invalidate()
		close(source.gate)
		early.Wait()
		s.want(source.load, "new", true)
	})
}

// Who asks after an invalidation is not given what a load from before it brings.
func TestNobodyJoinsALoadFromBeforeAnInvalidation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, source := open(t), newTruth("old")
		var callers sync.WaitGroup
		callers.Go(func() { s.want(source.load, "old", true) })
		<-source.read
		source.set("new")
		s.invalidate()
		callers.Go(func() { s.want(source.load, "new", true) })
		synctest.Wait()
		close(source.gate)
		callers.Wait()
	})
}

// The load is already writing the old value into the cache.
func TestInvalidateWaitsForARunningStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		storing, gate := make(chan struct{}), make(chan struct{})
		s.cache.onSet = func() {
			close(storing)
			<-gate
			s.cache.onSet = nil
		}
		var caller, invalidation sync.WaitGroup
		caller.Go(func() { s.want(gives("old"), "old", true) })
		<-storing
		invalidation.Go(s.invalidate)
		synctest.Wait()
		close(gate)
		caller.Wait()
		invalidation.Wait()
		s.want(gives("new"), "new", true)
	})
}

// A load that begins during an invalidation is not outdated by it, and a second
// load begins after it: the next invalidation must find both.
func TestInvalidateFindsAllLoadsOfAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, source := open(t), newTruth("old")
		var callers sync.WaitGroup
		load := func() {
			callers.Go(func() { s.want(source.load, "old", true) })
			<-source.read
		}
		s.cache.onDelete = load
		s.invalidate()
		s.cache.onDelete = nil
		load()
		source.set("new")
		s.invalidate()
		close(source.gate)
		callers.Wait()
		s.want(source.load, "new", true)
	})
}
