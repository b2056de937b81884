package live

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/store"
)

// awayStore is a store that can be away, and remembers what it was asked to write.
type awayStore struct {
	store.Memberships
	mu sync.Mutex
	// refuses makes it fail; stall is how long it takes for that.
	refuses bool
	stall   time.Duration
	written []store.Change
}

var errAway = errors.New("the store is away")

// ApplyChanges implements store.Memberships.
func (s *awayStore) ApplyChanges(_ context.Context, _ store.Identity, batch []store.Change) ([]store.Outcome, error) {
	s.mu.Lock()
	stall, refuses := s.stall, s.refuses
	s.mu.Unlock()
	<-time.After(stall)
	if refuses {
		return nil, errAway
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = append(s.written, batch...)
	return make([]store.Outcome, len(batch)), nil
}

func (s *awayStore) set(refuses bool, stall time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses, s.stall = refuses, stall
}

func (s *awayStore) has(t *testing.T, want ...store.Change) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.written, want) {
		t.Errorf("got %+v written, want %+v", s.written, want)
	}
}

type mute struct{ broker.Broker }

func (mute) Notify(broker.Notice) {}

// withMembers runs a test against a membership writer over an awayStore.
func withMembers(t *testing.T, test func(t *testing.T, h *Hub, s *awayStore)) {
	synctest.Test(t, func(t *testing.T) {
		s := &awayStore{}
		deps := Deps{Broker: mute{}, Members: s, Log: slog.New(slog.DiscardHandler)}
		h := &Hub{cfg: DefaultConfig(), deps: deps, metrics: newMetrics(prometheus.NewRegistry())}
		h.members = newMemberWriter(h)
		h.wg.Go(h.members.run)
		test(t, h, s)
		h.members.stop()
		h.wg.Wait()
	})
}

func TestJoinsGoOnWhileTheStoreIsAway(t *testing.T) {
	withMembers(t, func(t *testing.T, h *Hub, s *awayStore) {
		there, late := &conn{hub: h, id: 1}, &conn{hub: h, id: 2}
		if _, err := h.join(t.Context(), there, 1); err != nil {
			t.Fatalf("got %v from a join while the store is there, want none", err)
		}
		s.set(true, 0)
		h.leave(there, 1)
		<-time.After(memberRetry / 2)
		began := time.Now()
		if _, err := h.join(t.Context(), late, 1); err != nil || time.Since(began) > memberRetry {
			t.Errorf("got %v after %v, want to be let in at once", err, time.Since(began))
		}
		<-time.After(time.Minute)
		s.set(false, 0)
		<-time.After(2 * memberRetry)
		s.has(t, there.change(1, false), there.change(1, true), late.change(1, false))
	})
}

// TestAnOutageLeavesTheLastOfEach: who comes and goes while the store is away
// costs neither memory nor the store more than once.
func TestAnOutageLeavesTheLastOfEach(t *testing.T) {
	withMembers(t, func(t *testing.T, h *Hub, s *awayStore) {
		stays, goes := &conn{hub: h, id: 1}, &conn{hub: h, id: 2}
		s.set(true, time.Second) // it may have written before it failed
		for range 3 {
			for _, c := range []*conn{stays, goes} {
				if _, err := h.join(t.Context(), c, 1); err != nil {
					t.Fatalf("got %v, want to be let in", err)
				}
				h.leave(c, 1)
			}
		}
		if _, err := h.join(t.Context(), stays, 1); err != nil {
			t.Fatalf("got %v, want to be let in", err)
		}
		s.set(false, 0)
		<-time.After(2*memberRetry + time.Second)
		s.mu.Lock()
		slices.SortFunc(s.written, func(a, b store.Change) int { return int(a.Connection - b.Connection) })
		s.mu.Unlock()
		s.has(t, stays.change(1, false), goes.change(1, true))
	})
}

func TestAJoinThatNobodyWaitsForIsNotWritten(t *testing.T) {
	withMembers(t, func(t *testing.T, h *Hub, s *awayStore) {
		first, second := &conn{hub: h, id: 1}, &conn{hub: h, id: 2}
		s.set(false, 3*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := h.join(ctx, first, 1); bw.KindOf(err) != bw.Unavailable {
				t.Errorf("got %v from a join whose time was over under way, want unavailable", err)
			}
		})
		<-time.After(2 * memberGather)
		wg.Go(func() {
			if _, err := h.join(ctx, second, 1); bw.KindOf(err) != bw.Unavailable {
				t.Errorf("got %v from a join whose time was over before its turn, want unavailable", err)
			}
		})
		wg.Wait()
		<-time.After(time.Minute)
		// What was under way is taken back, what was not never was.
		s.has(t, first.change(1, false), first.change(1, true))
	})
}
