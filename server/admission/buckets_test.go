package admission

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// many is more keys than any test has.
const many = 1_000

// take takes until the bucket is empty, and says how many there were and what
// time the next one takes.
func take(t *testing.T, b *Buckets, key string) (taken int, retryAfter time.Duration) {
	t.Helper()
	for ; taken < 100_000; taken++ {
		wait, ok := b.Allow(key)
		if !ok {
			if wait <= 0 {
				t.Errorf("retry after: got %v, want more than 0", wait)
			}
			return taken, wait
		}
		if wait != 0 {
			t.Errorf("retry after, where one was allowed: got %v, want 0", wait)
		}
	}
	t.Fatal("the bucket has no end")
	return 0, 0
}

func TestBurstAndRate(t *testing.T) {
	for _, c := range []struct {
		name     string
		rate     float64
		burst    int
		interval time.Duration
	}{
		{"sends by default", 50, 200, 20 * time.Millisecond},
		{"sign-ups by default", 20, 200, 50 * time.Millisecond},
		{"one at once", 10, 1, 100 * time.Millisecond},
		{"less than one a second", 0.25, 3, 4 * time.Second},
		{"more than one a millisecond", 10_000, 5, 100 * time.Microsecond},
		{"one that does not divide a second", 3, 2, 333_333_334},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBuckets(Config{Rate: c.rate, Burst: c.burst, MaxKeys: many})
				taken, wait := take(t, b, "ann")
				if want := c.burst; taken != want {
					t.Errorf("at once: got %d, want %d", taken, want)
				}
				if wait != c.interval {
					t.Errorf("retry after: got %v, want %v", wait, c.interval)
				}
				<-time.After(10 * c.interval)
				if taken, _ := take(t, b, "ann"); taken != min(10, max(c.burst, 1)) {
					t.Errorf("after the time of 10: got %d, want %d", taken, min(10, max(c.burst, 1)))
				}
				<-time.After(time.Hour)
				if taken, _ := take(t, b, "ann"); taken != max(c.burst, 1) {
					t.Errorf("after a rest: got %d, want %d again", taken, max(c.burst, 1))
				}
			})
		})
	}
}

// Whatever the rate and the past: a nanosecond before the time that was told
// there is none, and at that time there is one.
func TestRetryAfterIsTrue(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		rate := rapid.Float64Range(0.01, 5_000).Draw(r, "rate")
		burst := rapid.IntRange(1, 300).Draw(r, "burst")
		rests := rapid.SliceOfN(rapid.Int64Range(0, int64(3*time.Second)), 1, 20).Draw(r, "rests")
		wrong := ""
		synctest.Test(t, func(t *testing.T) {
			b := NewBuckets(Config{Rate: rate, Burst: burst, MaxKeys: many})
			for _, rest := range rests {
				_, wait := take(t, b, "ann")
				<-time.After(wait - 1)
				if _, ok := b.Allow("ann"); ok {
					wrong = fmt.Sprintf("a nanosecond before %v: got one, want none", wait)
				}
				<-time.After(1)
				if again, ok := b.Allow("ann"); !ok {
					wrong = fmt.Sprintf("after the %v that were told: got none and another %v, want one", wait, again)
				}
				<-time.After(time.Duration(rest))
			}
		})
		if wrong != "" {
			r.Fatal(wrong)
		}
	})
}

// Asking in vain costs nothing: the wait gets shorter, not longer.
func TestRefusalsTakeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBuckets(Config{Rate: 1, Burst: 5, MaxKeys: many})
		_, want := take(t, b, "ann")
		for range 100 {
			b.Allow("ann")
		}
		if got, _ := b.Allow("ann"); got != want {
			t.Errorf("after 100 refusals: got %v, want %v", got, want)
		}
		<-time.After(want / 2)
		if got, _ := b.Allow("ann"); got != want/2 {
			t.Errorf("after half the time: got %v, want %v", got, want/2)
		}
	})
}

func TestNobodyIsMeteredAtRateZero(t *testing.T) {
	for _, cfg := range []Config{{}, {Rate: 0, Burst: 1, MaxKeys: 1}, {Rate: -1, Burst: 1, MaxKeys: 1}} {
		b := NewBuckets(cfg)
		for i := range 1_000 {
			if wait, ok := b.Allow(fmt.Sprint("key ", i%3)); wait != 0 || !ok {
				t.Fatalf("%+v, number %d: got %v and %v, want 0 and true", cfg, i, wait, ok)
			}
		}
		if got := len(b.full); got != 0 {
			t.Errorf("%+v: got %d keys remembered, want none", cfg, got)
		}
	}
}

func TestExtremeRates(t *testing.T) {
	for _, c := range []struct {
		name string
		rate float64
		want int
	}{
		{"one in ages", math.SmallestNonzeroFloat64, 1},
		{"one a century", 1e-10, 1},
	} {
		if got, wait := take(t, NewBuckets(Config{Rate: c.rate, Burst: c.want, MaxKeys: many}), "ann"); got != c.want || wait < time.Hour {
			t.Errorf("%s: got %d and another after %v, want %d and a long time", c.name, got, wait, c.want)
		}
	}
	b := NewBuckets(Config{Rate: math.MaxFloat64, Burst: 1, MaxKeys: many})
	if _, ok := b.Allow("ann"); !ok {
		t.Error("as many as there can be: got none, want one")
	}
}

func TestKeysHaveBucketsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Sends{NewBuckets(Config{Rate: 1, Burst: 3, MaxKeys: many})}
		take(t, s.Buckets, "ann")
		if wait, ok := s.Allow("ann"); ok || wait != time.Second {
			t.Errorf("ann: got %v and %v, want 1s and false", wait, ok)
		}
		if wait, ok := s.Allow("Ann"); !ok || wait != 0 {
			t.Errorf("Ann: got %v and %v, want 0 and true", wait, ok)
		}
	})
}

// The memory stays flat: full buckets are forgotten, empty ones are not, and
// when there is no more room, new keys have to wait.
func TestKeysAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 100
		b := NewBuckets(Config{Rate: 1, Burst: 10, MaxKeys: limit})
		for i := range limit {
			if _, ok := b.Allow(fmt.Sprint("key ", i)); !ok {
				t.Fatalf("key %d: got none, want one", i)
			}
		}
		take(t, b, "key 7")
		for i := range 10 * limit {
			if wait, ok := b.Allow(fmt.Sprint("one too many ", i)); ok || wait != sweepPause {
				t.Fatalf("one too many: got %v and %v, want %v and false", wait, ok, sweepPause)
			}
		}
		if _, ok := b.Allow("key 8"); !ok {
			t.Error("a key that is known: got none, want one")
		}
		if got := len(b.full); got != limit {
			t.Errorf("keys: got %d, want %d", got, limit)
		}
		<-time.After(sweepPause)
		if _, ok := b.Allow("one too many"); !ok {
			t.Error("when most buckets are full again: got none, want one")
		}
		if got, want := len(b.full), 3; got != want { // keys 7 and 8 are not
			t.Errorf("keys then: got %d, want %d", got, want)
		}
		if _, wait := take(t, b, "key 7"); wait != time.Second {
			t.Errorf("the key that was empty: got %v to wait, want 1s", wait)
		}
	})
}

// However many keys come and go, those that rest are forgotten without being
// asked for again.
func TestKeysThatRestAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBuckets(Config{Rate: 10, Burst: 20, MaxKeys: 1_000_000})
		most := 0
		for i := range 5_000 {
			b.Allow(fmt.Sprint("key ", i))
			most = max(most, len(b.full))
			<-time.After(10 * time.Millisecond)
		}
		if most > 250 { // two refills of 2 s, at 100 keys a second, and some
			t.Errorf("keys at most: got %d, want at most 250 of 5000", most)
		}
	})
}

func TestBucketsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBuckets(Config{Rate: 1, Burst: 100, MaxKeys: many})
		var allowed atomic.Int32
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				for range 50 {
					if _, ok := b.Allow("ann"); ok {
						allowed.Add(1)
					}
				}
			})
		}
		all.Wait()
		if got := allowed.Load(); got != 100 {
			t.Errorf("allowed to 50 at once: got %d, want 100", got)
		}
	})
}
