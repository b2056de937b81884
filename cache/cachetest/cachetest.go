// Package cachetest is the conformance suite of cache.Cache.
package cachetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/cache"
)

// long is a time to live that no test outlives.
const long = time.Hour

// Run checks several views of one cache, as the servers that share it have them:
// what is done through one holds for all. open gives at least one view of a cache
// that keeps at least a few hundred small values; the suite closes each. Keys are
// random, so the cache need not be empty.
func Run(t *testing.T, open func(t *testing.T) []cache.Cache) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*subject)
	}{
		{"a key that was never set is missing", missing},
		{"values come back as they were set", values},
		{"the last set wins", overwritten},
		{"a deleted key is missing", deleted},
		{"a value that was got stays as it was", unchanged},
		{"a value expires by its own time to live", expires},
		{"a new value gets a new time to live", renewed},
		{"what was loaded since a mark is kept", kept},
		{"what was loaded before a change is not", outdated},
		{"marks last from change to change", named},
		{"an ended context gives an error or the truth", endedContext},
		{"keys may be used from many goroutines", concurrent},
		{"nobody gets what was deleted while others use the key", deletedAtOnce},
		{"nobody gets what others loaded before a delete", loadedAtOnce},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &subject{T: t, caches: open(t)}
			t.Cleanup(func() {
				for _, c := range s.caches {
					if err := c.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				}
			})
			test.run(s)
		})
	}
}

// subject is the cache under test; its methods fail the test on errors. They
// write through one view after the other and read through every one.
type subject struct {
	*testing.T
	caches []cache.Cache
	writes int
}

// next is the view for the next write.
func (s *subject) next() cache.Cache {
	s.writes++
	return s.at(s.writes)
}

func (s *subject) at(i int) cache.Cache { return s.caches[i%len(s.caches)] }

func newKey() string { return "cachetest/" + rand.Text() }

func (s *subject) set(key, value string, ttl time.Duration) {
	s.Helper()
	if err := s.next().Set(context.Background(), key, []byte(value), ttl); err != nil {
		s.Fatalf("set %q: %v", key, err)
	}
}

func (s *subject) delete(keys ...string) {
	s.Helper()
	if err := s.next().Delete(context.Background(), keys...); err != nil {
		s.Fatalf("delete %q: %v", keys, err)
	}
}

// get reads through one view.
func (s *subject) get(c cache.Cache, key string) ([]byte, bool) {
	s.Helper()
	value, ok, err := c.Get(context.Background(), key)
	if err != nil {
		s.Fatalf("get %q: %v", key, err)
	}
	return value, ok
}

func (s *subject) want(key, value string) {
	s.Helper()
	for i, c := range s.caches {
		if got, ok := s.get(c, key); !ok || string(got) != value {
			s.Fatalf("get %q through view %d: got %.60q, %v, want %.60q", key, i, got, ok, value)
		}
	}
}

func (s *subject) wantMissing(keys ...string) {
	s.Helper()
	for _, key := range keys {
		for i, c := range s.caches {
			if got, ok := s.get(c, key); ok {
				s.Fatalf("get %q through view %d: got %.60q, want none", key, i, got)
			}
		}
	}
}

// wantExpiry waits until a key is missing and checks how long that took.
func (s *subject) wantExpiry(key string, since time.Time, ttl time.Duration) {
	s.Helper()
	const patience, tick = 10 * time.Second, 5 * time.Millisecond
	deadline := time.After(patience)
	for {
		if _, ok := s.get(s.caches[0], key); !ok {
			break
		}
		select {
		case <-time.After(tick):
		case <-deadline:
			s.Fatalf("get %q: still there %v after its time to live of %v began", key, patience, ttl)
		}
	}
	// Redis and Go round to a millisecond and disagree about when it began.
	if took := time.Since(since); took < ttl-2*time.Millisecond {
		s.Fatalf("get %q: gone after %v, want it kept for %v", key, took, ttl)
	}
}

func missing(s *subject) {
	s.wantMissing(newKey(), "")
	s.delete(newKey())
	s.delete()
}

func values(s *subject) {
	for i, value := range []string{"x", "", "\x00\xff\r\n", "漢字", string(bytes.Repeat([]byte("0123456789"), 1000))} {
		key := fmt.Sprintf("%s ✓ %d", newKey(), i)
		s.set(key, value, long)
		s.want(key, value)
	}
}

func overwritten(s *subject) {
	key, other := newKey(), newKey()
	s.set(key, "a", long)
	s.set(other, "other", long)
	s.set(key, "b", long)
	s.want(key, "b")
	s.want(other, "other")
}

func deleted(s *subject) {
	keys := []string{newKey(), newKey(), newKey()}
	for _, key := range keys {
		s.set(key, "a", long)
	}
	s.delete(keys[0], keys[1], newKey())
	s.wantMissing(keys[:2]...)
	s.want(keys[2], "a")
	s.set(keys[0], "b", long)
	s.want(keys[0], "b")
}

func expires(s *subject) {
	const ttl = 150 * time.Millisecond
	brief, lasting := newKey(), newKey()
	s.set(lasting, "b", long)
	start := time.Now()
	s.set(brief, "a", ttl)
	s.wantExpiry(brief, start, ttl)
	s.want(lasting, "b")
}

func renewed(s *subject) {
	const ttl = 150 * time.Millisecond
	longer, shorter := newKey(), newKey()
	s.set(longer, "a", ttl)
	s.set(shorter, "a", long)
	start := time.Now()
	s.set(longer, "b", long)
	s.set(shorter, "b", ttl)
	s.wantExpiry(shorter, start, ttl)
	s.want(longer, "b")
}
