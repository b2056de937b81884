package cachetest

import (
	"context"
	"fmt"
	"strings"
)

// unchanged holds values that were got while the cache does other things: it
// must not use their memory for anything else.
func unchanged(s *subject) {
	key, value := newKey(), strings.Repeat("first", 50)
	s.set(key, value, long)
	var held [][]byte
	hold := func() {
		for _, c := range s.caches {
			if got, ok := s.get(c, key); ok {
				held = append(held, got)
			}
		}
	}
	hold()
	hold()
	s.set(key, strings.Repeat("later", 50), long)
	s.delete(key)
	for i := range 50 {
		other := fmt.Sprintf("%s/%d", key, i)
		s.set(other, strings.Repeat("other", 50), long)
		s.want(other, strings.Repeat("other", 50))
	}
	if len(held) != 2*len(s.caches) {
		s.Fatalf("got %d values, want %d", len(held), 2*len(s.caches))
	}
	for i, got := range held {
		if string(got) != value {
			s.Errorf("value %d that was got: became %.60q, want %.60q for ever", i, got, value)
		}
	}
}

// endedContext calls everything with a context that is over: what does not fail
// has been done, and what fails gives nothing.
func endedContext(s *subject) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for i, c := range s.caches {
		there, absent, fresh := newKey(), newKey(), newKey()
		s.set(there, "a", long)
		switch got, ok, err := c.Get(ctx, there); {
		case err != nil && (ok || got != nil):
			s.Errorf("get through view %d: got %q, %v beside error %v, want nothing", i, got, ok, err)
		case err == nil && (!ok || string(got) != "a"):
			s.Errorf("get through view %d: got %q, %v and no error, want it", i, got, ok)
		}
		if got, ok, _ := c.Get(ctx, absent); ok || got != nil {
			s.Errorf("get of a missing key through view %d: got %q, %v, want nothing", i, got, ok)
		}
		if err := c.Set(ctx, fresh, []byte("b"), long); err == nil {
			s.want(fresh, "b")
		}
		marked := newKey()
		mark := s.mark(marked)
		if again, err := c.Mark(ctx, marked); err == nil && again != mark || err != nil && again != "" {
			s.Errorf("mark through view %d: got %q, %v, want %q or an error", i, again, err, mark)
		}
		if err := c.SetSince(ctx, mark, marked, []byte("c"), long); err == nil {
			s.want(marked, "c")
		}
		if err := c.Delete(ctx, there); err == nil {
			s.wantMissing(there)
		}
	}
}
