package cache_test

import (
	"context"
	"errors"
	"fmt"
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

// A load reads the old value; it changes and is invalidated, by this server or
// another one; the load ends.
func TestInvalidateDuringALoadDoesNotBringTheOldValueBack(t *testing.T) {
	for _, row := range []struct {
		name         string
		blind, other bool
		want         string
	}{
		{"by the same server", false, false, "new"},
		{"by another server", false, true, "new"},
		{"by another server, without marks", true, true, "old"}, // it would
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, source := open(t), newTruth("old")
				s.cache.blind = row.blind
				changer := s
				if row.other {
					changer = openOver(t, s.cache)
				}
				var early sync.WaitGroup
				early.Go(func() { s.want(source.load, "old", true) })
				<-source.read
				source.set("new")
				changer.invalidate()
				close(source.gate)
				early.Wait()
				s.want(source.load, row.want, true)
				changer.want(source.load, row.want, true)
			})
		})
	}
}

// Who asks after an invalidation is not given what a load from before it brings,
// on whatever server that was.
func TestNobodyJoinsALoadFromBeforeAnInvalidation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, source := open(t), newTruth("old")
		other := openOver(t, s.cache)
		var callers sync.WaitGroup
		for i, changer := range []*subject{s, other, s} {
			before, after := fmt.Sprint(i), fmt.Sprint(i+1)
			source.set(before)
			changer.invalidate()
			callers.Go(func() { s.want(source.load, before, true) })
			<-source.read
			source.set(after)
			changer.invalidate()
			callers.Go(func() { s.want(source.load, after, true) })
			<-source.read
		}
		close(source.gate)
		callers.Wait()
	})
}

// Without a cache there are no marks; a server still knows what it did itself.
func TestNobodyJoinsALoadFromBeforeAnInvalidationWithoutACache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, source := open(t), newTruth("old")
		s.cache.err = errSource
		var callers sync.WaitGroup
		callers.Go(func() { s.want(source.load, "old", true) })
		callers.Go(func() { s.want(source.load, "old", true) })
		<-source.read
		synctest.Wait()
		source.set("new")
		if err := s.Invalidate(t.Context(), "key"); !errors.Is(err, errSource) {
			t.Errorf("invalidate: got %v, want %v", err, errSource)
		}
		callers.Go(func() { s.want(source.load, "new", true) })
		<-source.read
		close(source.gate)
		callers.Wait()
		if extra := len(source.read); extra > 0 {
			t.Errorf("loads: got %d more than two", extra)
		}
	})
}

// The load is already writing the old value into the cache.
func TestInvalidateDuringAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		storing, gate := make(chan struct{}), make(chan struct{})
		s.cache.onSet = func() {
			close(storing)
			<-gate
			s.cache.onSet = nil
		}
		var caller sync.WaitGroup
		caller.Go(func() { s.want(gives("old"), "old", true) })
		<-storing
		s.invalidate() // waits for nobody
		close(gate)
		caller.Wait()
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
		s.invalidate()
		load()
		source.set("new")
		s.invalidate()
		close(source.gate)
		callers.Wait()
		s.want(source.load, "new", true)
	})
}
