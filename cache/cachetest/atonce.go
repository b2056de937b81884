package cachetest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
)

// concurrent lets several users write a key of their own and one that all share.
// A reader never gets older news of a user than he has had already.
func concurrent(s *subject) {
	const users, steps = 8, 200
	ctx, shared := context.Background(), newKey()
	var running sync.WaitGroup
	for u := range users {
		running.Go(func() {
			mine, theirs := s.at(u), s.at(u+1)
			own := fmt.Sprintf("%s/%d", shared, u)
			seen := make([]int, users)
			for i := 1; i <= steps; i++ {
				want := fmt.Sprintf("%d %d", u, i)
				seen[u] = i
				for _, key := range []string{own, shared} {
					if err := mine.Set(ctx, key, []byte(want), long); err != nil {
						s.Errorf("set: %v", err)
					}
				}
				if got, ok, err := theirs.Get(ctx, own); err != nil || !ok || string(got) != want {
					s.Errorf("get of one's own key: got %q, %v, %v, want %q", got, ok, err, want)
				}
				got, ok, err := theirs.Get(ctx, shared)
				var who, news int
				if _, scan := fmt.Sscanf(string(got), "%d %d", &who, &news); err != nil || !ok || scan != nil {
					s.Errorf("get of the shared key: got %q, %v, %v, want what a user set", got, ok, err)
					return
				}
				if news < seen[who] {
					s.Errorf("get of the shared key: got news %d of user %d after %d", news, who, seen[who])
				}
				seen[who] = news
				if err := mine.Delete(ctx, own); err != nil {
					s.Errorf("delete: %v", err)
				}
				if got, ok, err := theirs.Get(ctx, own); err != nil || ok {
					s.Errorf("get of one's own key, deleted: got %q, %v, %v, want none", got, ok, err)
				}
			}
		})
	}
	running.Wait()
}

// deletedAtOnce lets readers look at a key that is set and deleted. Nobody who
// asks after a Delete gets what was set before it.
func deletedAtOnce(s *subject) {
	const readers, steps = 4, 2000
	ctx, key := context.Background(), newKey()
	// Values up to this one have been deleted.
	var gone atomic.Int64
	quit := make(chan struct{})
	var running sync.WaitGroup
	defer running.Wait()
	defer close(quit)
	for i := range readers {
		running.Go(func() {
			for {
				select {
				case <-quit:
					return
				default:
				}
				deleted := gone.Load()
				got, ok, err := s.at(i).Get(ctx, key)
				if err != nil {
					s.Errorf("get: %v", err)
				}
				if !ok {
					continue
				}
				if value, err := strconv.ParseInt(string(got), 10, 64); err != nil || value <= deleted {
					s.Errorf("get: got %q when %d had been deleted", got, deleted)
					return
				}
			}
		})
	}
	for i := range int64(steps) {
		s.set(key, strconv.FormatInt(i+1, 10), long)
		s.delete(key)
		gone.Store(i + 1)
	}
}
