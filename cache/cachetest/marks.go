package cachetest

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/breakwater-chat/breakwater/cache"
)

// mark takes a mark through one view after the other.
func (s *subject) mark(key string) cache.Mark {
	s.Helper()
	mark, err := s.next().Mark(context.Background(), key)
	if err != nil || mark == "" {
		s.Fatalf("mark of %q: got %q, %v", key, mark, err)
	}
	return mark
}

func (s *subject) setSince(mark cache.Mark, key, value string) {
	s.Helper()
	if err := s.next().SetSince(context.Background(), mark, key, []byte(value), long); err != nil {
		s.Fatalf("set %q since %q: %v", key, mark, err)
	}
}

// kept is the ordinary life of marks: nobody changes what is being loaded.
func kept(s *subject) {
	key, other := newKey(), newKey()
	mark := s.mark(key)
	s.wantMissing(key)
	s.set(other, "other", long)
	s.delete(other)
	s.setSince(mark, key, "a")
	s.want(key, "a")
	s.setSince(s.mark(key), key, "b") // over a value that is there
	s.want(key, "b")
	s.mark(key)
	s.want(key, "b")
	s.setSince(s.mark(""), "", "")
	s.want("", "")
	s.delete("")
}

// outdated marks set nothing.
func outdated(s *subject) {
	for name, change := range map[string]func(key string){
		"deleted":         func(key string) { s.delete(newKey(), key) },
		"deleted twice":   func(key string) { s.delete(key); s.delete(key) },
		"set":             func(key string) { s.set(key, "newer", long) },
		"set and deleted": func(key string) { s.set(key, "newer", long); s.delete(key) },
		"set since":       func(key string) { s.setSince(s.mark(key), key, "newer") },
		"deleted and marked by a later load": func(key string) {
			s.delete(key)
			s.mark(key)
		},
	} {
		for range s.caches { // every view in every part
			for _, there := range []bool{false, true} {
				key := newKey()
				if there {
					s.set(key, "older", long)
				}
				mark := s.mark(key)
				change(key)
				before, held := s.get(s.caches[0], key)
				s.setSince(mark, key, "old")
				if got, ok := s.get(s.next(), key); ok != held || string(got) != string(before) {
					s.Errorf("%s since the mark: got %q, %v, want %q, %v as before", name, got, ok, before, held)
				}
				s.setSince(s.mark(key), key, "new")
				s.want(key, "new")
			}
		}
	}
	key := newKey()
	for _, mark := range []cache.Mark{"", "0", s.mark(newKey())} {
		s.setSince(mark, key, "a")
		s.wantMissing(key)
	}
}

// named is what marks are beside guards: names for the time between two changes.
func named(s *subject) {
	key, seen := newKey(), map[cache.Mark]bool{}
	for i, change := range []func(){
		func() {},
		func() { s.delete(key) },
		func() { s.set(key, "a", long) },
		func() { s.setSince(s.mark(key), key, "b") },
		func() { s.delete(key, key) },
	} {
		change()
		mark := s.mark(key)
		if seen[mark] {
			s.Errorf("mark after change %d: got %q, which was there before", i, mark)
		}
		seen[mark] = true
		for range s.caches {
			if again := s.mark(key); again != mark {
				s.Errorf("mark after change %d: got %q from one view and %q from another", i, mark, again)
			}
		}
	}
}

// loadedAtOnce lets loaders keep what they read of a truth that changes. Whatever
// they do at once, nobody who asks after a Delete gets what was true before it.
func loadedAtOnce(s *subject) {
	const loaders, steps = 4, 500
	ctx, key := context.Background(), newKey()
	// What is true, and what the cache has been told of.
	var truth, told atomic.Int64
	quit := make(chan struct{})
	var running sync.WaitGroup
	defer running.Wait()
	defer close(quit)
	for i := range loaders {
		running.Go(func() {
			for view := s.at(i); ; {
				select {
				case <-quit:
					return
				default:
				}
				least := told.Load()
				got, ok, err := view.Get(ctx, key)
				if err != nil {
					s.Errorf("get: %v", err)
				}
				if ok {
					if value, err := strconv.ParseInt(string(got), 10, 64); err != nil || value < least {
						s.Errorf("get: got %q, want nothing from before %d", got, least)
						return
					}
					continue
				}
				mark, err := view.Mark(ctx, key)
				if err != nil {
					s.Errorf("mark: %v", err)
				}
				value := strconv.FormatInt(truth.Load(), 10)
				if err := view.SetSince(ctx, mark, key, []byte(value), long); err != nil {
					s.Errorf("set since: %v", err)
				}
			}
		})
	}
	for range steps {
		now := truth.Add(1)
		s.delete(key)
		told.Store(now)
	}
}
