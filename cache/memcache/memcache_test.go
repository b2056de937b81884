package memcache_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/cache/cachetest"
	"github.com/breakwater-chat/breakwater/cache/memcache"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(size int64) *memcache.Cache { return memcache.New(memcache.Config{MaxBytes: size}) }

func TestConformance(t *testing.T) {
	cachetest.Run(t, func(*testing.T) []cache.Cache { return []cache.Cache{open(1 << 20)} })
}

func TestBytesAreBounded(t *testing.T) {
	const size = 100_000
	ctx := context.Background()
	c := open(size)
	defer c.Close()
	for i := range 1000 {
		if err := c.Set(ctx, fmt.Sprint(i), make([]byte, i), time.Hour); err != nil {
			t.Fatalf("set: %v", err)
		}
		if got := c.Bytes(); got > size {
			t.Fatalf("bytes after %d sets: got %d, want at most %d", i+1, got, size)
		}
	}
	if got := c.Bytes(); got < size/2 {
		t.Fatalf("bytes: got %d, want the memory used", got)
	}
	if err := c.Set(ctx, "huge", make([]byte, 2*size), time.Hour); err != nil {
		t.Fatalf("set: %v", err)
	}
	if _, ok, _ := c.Get(ctx, "huge"); ok {
		t.Fatal("a value beyond the bound: got it, want it not kept")
	}
}

func TestClosedCacheIsEmpty(t *testing.T) {
	ctx := context.Background()
	c := open(1 << 20)
	if err := c.Set(ctx, "a", []byte("1"), time.Hour); err != nil {
		t.Fatalf("set: %v", err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	if value, ok, err := c.Get(ctx, "a"); ok || err != nil {
		t.Fatalf("get after close: got %q, %v, %v, want none", value, ok, err)
	}
}
