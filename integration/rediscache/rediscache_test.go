package rediscache_test

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/cache/cachetest"
	"github.com/breakwater-chat/breakwater/cache/rediscache"
)

func TestConformance(t *testing.T) {
	cachetest.Run(t, func(t *testing.T) []cache.Cache {
		return []cache.Cache{open(t, rediscache.Config{}), open(t, rediscache.Config{}), open(t, rediscache.Config{})}
	})
}

func TestValuesOfSomeMegabytes(t *testing.T) {
	one, two := open(t, rediscache.Config{}), open(t, rediscache.Config{})
	value, key := make([]byte, 4<<20), rand.Text()
	_, _ = rand.Read(value)
	mark, err := one.Mark(t.Context(), key)
	must(t, "mark", err)
	must(t, "set since", one.SetSince(t.Context(), mark, key, value, time.Minute))
	if got, ok, err := two.Get(t.Context(), key); err != nil || !ok || !bytes.Equal(got, value) {
		t.Errorf("got %d bytes, %v, %v, want the %d that were set", len(got), ok, err, len(value))
	}
	must(t, "delete", two.Delete(t.Context(), key))
}

// Everything lies below the prefix and goes by itself in the end.
func TestKeysHaveThePrefixAndAnEnd(t *testing.T) {
	prefix := "test:" + rand.Text() + ":"
	c, other := open(t, rediscache.Config{Prefix: prefix}), open(t, rediscache.Config{})
	must(t, "set", c.Set(t.Context(), "a", []byte("x"), time.Minute))
	must(t, "set for less than a millisecond", c.Set(t.Context(), "b", []byte("x"), time.Microsecond))
	mark, err := c.Mark(t.Context(), "c")
	must(t, "mark", err)
	must(t, "set since", c.SetSince(t.Context(), mark, "c", []byte("x"), time.Minute))
	_, err = c.Mark(t.Context(), "c")
	must(t, "mark", err)
	keys, err := raw.Keys(t.Context(), "*"+prefix+"*").Result()
	if err != nil || len(keys) != 3 && len(keys) != 4 {
		t.Errorf("got keys %q, %v, want two values and a mark, and perhaps b", keys, err)
	}
	for _, key := range keys {
		if !strings.HasPrefix(key, prefix) {
			t.Errorf("got key %q, want it below %q", key, prefix)
		}
		if end, err := raw.PTTL(t.Context(), key).Result(); err != nil || end <= 0 && end != -2 || end > time.Minute {
			t.Errorf("got %q, which lives for %v, %v, want a minute at most", key, end, err)
		}
	}
	if got, ok, err := other.Get(t.Context(), "a"); ok || err != nil {
		t.Errorf("under another prefix: got %q, %v, want nothing", got, err)
	}
}

func TestHitsAndMissesAreCounted(t *testing.T) {
	c, key := open(t, rediscache.Config{}), rand.Text()
	for _, there := range []bool{false, true, true} {
		if there {
			must(t, "set", c.Set(t.Context(), key, []byte("x"), time.Minute))
		}
		_, _, err := c.Get(t.Context(), key)
		must(t, "get", err)
	}
	if hits, misses, errors := c.counted(t, "hits"), c.counted(t, "misses"), c.counted(t, "errors"); hits != 2 || misses != 1 || errors != 0 {
		t.Errorf("got %v hits, %v misses, %v errors, want 2, 1, 0", hits, misses, errors)
	}
}

// A Redis that has lost its data keeps no promise of before: what was marked then
// is not kept.
func TestMarksDoNotSurviveALoss(t *testing.T) {
	c, marked, deleted := open(t, rediscache.Config{}), rand.Text(), rand.Text()
	first, err := c.Mark(t.Context(), marked)
	must(t, "mark", err)
	second, err := c.Mark(t.Context(), deleted)
	must(t, "mark", err)
	must(t, "delete", c.Delete(t.Context(), deleted))
	must(t, "flush", raw.FlushDB(t.Context()).Err())
	for key, mark := range map[string]cache.Mark{marked: first, deleted: second} {
		must(t, "set since", c.SetSince(t.Context(), mark, key, []byte("old"), time.Minute))
		if got, ok, err := c.Get(t.Context(), key); ok || err != nil {
			t.Errorf("got %q, %v, want nothing from before the loss", got, err)
		}
		now, err := c.Mark(t.Context(), key)
		must(t, "mark", err)
		if now == mark {
			t.Errorf("got mark %q again after the loss", mark)
		}
	}
}

func TestWrongAddresses(t *testing.T) {
	for _, cfg := range []rediscache.Config{
		{}, {URL: "http://user:secret@localhost"},
	} {
		if c, err := rediscache.Open(cfg); err == nil {
			_ = c.Close()
			t.Errorf("open with %+v: got no error", cfg)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("got error %v, want none that tells the password", err)
		}
	}
}

func BenchmarkHit(b *testing.B) {
	c, key := open(b, rediscache.Config{}), rand.Text()
	if err := c.Set(b.Context(), key, make([]byte, 200), time.Minute); err != nil {
		b.Fatal(err)
	}
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, ok, err := c.Get(b.Context(), key); !ok || err != nil {
				b.Errorf("get: got %v, %v", ok, err)
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	c := open(b, rediscache.Config{})
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			key := rand.Text()
			mark, err := c.Mark(b.Context(), key)
			if err != nil {
				b.Error(err)
			}
			if err := c.SetSince(b.Context(), mark, key, make([]byte, 200), time.Minute); err != nil {
				b.Error(err)
			}
		}
	})
}
