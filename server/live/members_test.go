package live

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
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
	// refuses makes it fail, late only when it has written; stall is how long it takes.
	refuses, late bool
	stall         time.Duration
	poison        bw.RoomID // which it will never write
	written       []store.Change

	alive    bw.Incarnation // 0 is the server's first
	number   int64          // of the last batch that it wrote
	batch    []store.Change
	outcomes []store.Outcome
	there    map[memberKey]bool // who is in which room, in this life
	broken   []string           // promises that the writer broke
}

var errAway = bw.Unavailablef(nil, "the store is away")

// ApplyChanges implements store.Memberships.
func (s *awayStore) ApplyChanges(_ context.Context, id store.Identity, number int64, batch []store.Change) ([]store.Outcome, error) {
	s.mu.Lock()
	stall, refuses, late := s.stall, s.refuses, s.late
	s.mu.Unlock()
	<-time.After(stall)
	if refuses && !late {
		return nil, errAway
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if id.Incarnation != s.alive {
		return nil, store.ErrFenced
	}
	for _, c := range batch {
		if c.Room == s.poison && s.poison != 0 {
			return nil, bw.Errorf(bw.NoSuchRoom, "no such room")
		}
	}
	s.write(number, batch)
	if refuses {
		return nil, errAway
	}
	return s.outcomes, nil
}

// write writes a batch, unless it has. Called under mu.
func (s *awayStore) write(number int64, batch []store.Change) {
	switch {
	case number < s.number || number == s.number && !slices.Equal(batch, s.batch):
		s.broken = append(s.broken, fmt.Sprintf("batch %d is %v, behind batch %d of %v", number, batch, s.number, s.batch))
		fallthrough
	case number == s.number:
		return
	}
	s.number, s.batch, s.outcomes = number, batch, nil
	s.written = append(s.written, batch...)
	for _, c := range batch {
		key := memberKey{c.Room, c.Connection}
		s.outcomes = append(s.outcomes, store.Outcome{Changed: s.there[key] == c.Leave})
		s.there[key] = !c.Leave
	}
}

// kill ends the server's incarnation with all of its memberships.
func (s *awayStore) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alive++
	s.number, s.batch, s.there = 0, nil, map[memberKey]bool{}
}

// standing is a lease that is there, and is taken anew within a second when it was lost.
type standing struct {
	mu    sync.Mutex
	id    store.Identity
	over  chan struct{}
	lapse bool // it does not stand
}

func newStanding() *standing { return &standing{over: make(chan struct{})} }

// Standing implements Lease.
func (l *standing) Standing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.lapse
}

// Current implements Lease.
func (l *standing) Current() (store.Identity, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id, l.over
}

// Lost implements Lease.
func (l *standing) Lost(id store.Identity) {
	time.AfterFunc(rand.N(time.Second), func() { l.succeed(id) })
}

// succeed takes a new lease in the place of a former one.
func (l *standing) succeed(former store.Identity) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.id == former {
		l.id.Incarnation++
		close(l.over)
		l.over = make(chan struct{})
	}
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

// ear is a broker that notes who was told to have come and gone.
type ear struct {
	broker.Broker
	mu   sync.Mutex
	told []string
}

func (e *ear) Notify(n broker.Notice) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = append(e.told, fmt.Sprintf("%d+%v-%v", n.Room, n.Joined, n.Left))
}

// withMembers runs a test against a membership writer over an awayStore.
func withMembers(t *testing.T, test func(t *testing.T, h *Hub, s *awayStore)) {
	synctest.Test(t, func(t *testing.T) {
		s := &awayStore{there: map[memberKey]bool{}}
		deps := Deps{Broker: &ear{}, Members: s, Lease: newStanding(), Log: slog.New(slog.DiscardHandler)}
		h := &Hub{cfg: DefaultConfig(), deps: deps, metrics: newMetrics(prometheus.NewRegistry()), table: newTable(10)}
		h.members = newMemberWriter(h)
		h.wg.Go(h.members.run)
		test(t, h, s)
		h.members.stop()
		h.wg.Wait()
		for _, broken := range s.broken {
			t.Error(broken)
		}
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
// costs neither memory nor the store more than once beside what it was asked before.
func TestAnOutageLeavesTheLastOfEach(t *testing.T) {
	withMembers(t, func(t *testing.T, h *Hub, s *awayStore) {
		stays, goes, passes := &conn{hub: h, id: 1}, &conn{hub: h, id: 2}, &conn{hub: h, id: 3}
		join := func(c *conn) {
			if _, err := h.join(t.Context(), c, 1); err != nil {
				t.Errorf("got %v, want to be let in", err)
			}
		}
		s.set(true, time.Second) // it may have written before it failed
		var wg sync.WaitGroup
		wg.Go(func() { join(stays) })
		wg.Go(func() { join(goes) })
		wg.Wait()
		for range 3 {
			h.leave(stays, 1)
			join(stays)
			join(passes) // of whom it has not heard
			h.leave(passes, 1)
		}
		h.leave(goes, 1)
		s.set(false, 0)
		<-time.After(2*memberRetry + time.Second)
		s.mu.Lock()
		slices.SortFunc(s.written, func(a, b store.Change) int { return int(a.Connection - b.Connection) })
		s.mu.Unlock()
		s.has(t, stays.change(1, false), stays.change(1, false), goes.change(1, false), goes.change(1, true))
	})
}

// TestComingAndGoingInAnOutageIsBounded: not even with a long queue in front do
// joins that were taken back add up.
func TestComingAndGoingInAnOutageIsBounded(t *testing.T) {
	withMembers(t, func(t *testing.T, h *Hub, s *awayStore) {
		s.set(true, 0)
		h.leave(&conn{hub: h, id: 1}, 1)
		<-time.After(memberRetry / 2)
		for id := range bw.ConnectionID(2 * memberBatchSize) {
			if _, err := h.join(t.Context(), &conn{hub: h, id: id + 2}, 1); err != nil {
				t.Fatalf("got %v, want to be let in", err)
			}
		}
		restless := &conn{hub: h}
		for range 10 * memberBatchSize {
			_, _ = h.join(t.Context(), restless, 1)
			h.leave(restless, 1)
		}
		h.members.mu.Lock()
		defer h.members.mu.Unlock()
		if n := len(h.members.queue); n > 6*memberBatchSize {
			t.Errorf("got %d changes in the queue for %d that stand", n, len(h.members.waiting))
		}
	})
}

// TestALeaveIsNotLostWithAJoin: a rejoin takes the place of a leave; when nobody
// waits for it any more, the leave is still due.
func TestALeaveIsNotLostWithAJoin(t *testing.T) {
	withMembers(t, func(t *testing.T, h *Hub, s *awayStore) {
		c := &conn{hub: h, id: 1}
		if _, err := h.join(t.Context(), c, 1); err != nil {
			t.Fatalf("got %v, want to be let in", err)
		}
		s.set(false, 3*time.Second)
		h.leave(&conn{hub: h, id: 2}, 1)
		<-time.After(2 * memberGather)
		h.leave(c, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.join(ctx, c, 1); bw.KindOf(err) != bw.Unavailable {
			t.Errorf("got %v from a join whose time was over, want unavailable", err)
		}
		<-time.After(time.Minute)
		s.has(t, c.change(1, false), (&conn{id: 2}).change(1, true), c.change(1, true))
	})
}

// TestMembershipsAreTrueAfterAnyOutage: whatever the store refused, or wrote
// without saying so, in the end it has those who are there.
func TestMembershipsAreTrueAfterAnyOutage(t *testing.T) {
	for seed := range uint64(300) {
		withMembers(t, func(t *testing.T, h *Hub, s *awayStore) {
			there := make([]bool, 5)
			var wg sync.WaitGroup
			for id := range there {
				c, dice := &conn{hub: h, id: bw.ConnectionID(id)}, rand.New(rand.NewPCG(seed, uint64(id)))
				wg.Go(func() {
					for range 10 {
						ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+dice.IntN(400))*time.Millisecond)
						_, err := h.join(ctx, c, 1)
						cancel()
						<-time.After(time.Duration(dice.IntN(2) * dice.IntN(400) * int(time.Millisecond)))
						if there[id] = err == nil && dice.IntN(3) == 0; err == nil && !there[id] {
							h.leave(c, 1)
						}
						if there[id] {
							return
						}
					}
				})
			}
			dice := rand.New(rand.NewPCG(seed, 1000))
			for range 10 {
				s.mu.Lock()
				s.refuses, s.late, s.stall = dice.IntN(2) == 0, dice.IntN(2) == 0, time.Duration(dice.IntN(500))*time.Millisecond
				s.mu.Unlock()
				<-time.After(time.Duration(dice.IntN(500)) * time.Millisecond)
			}
			s.set(false, 0)
			wg.Wait()
			<-time.After(time.Minute)
			has := make([]bool, len(there))
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, c := range s.written {
				has[c.Connection] = !c.Leave
			}
			if !slices.Equal(has, there) {
				t.Errorf("seed %d: got %v in the store, want %v", seed, has, there)
			}
		})
	}
}

// TestStoppingDoesNotWaitForAStoreThatIsAway: every change has its answer, but
// not each batch has its try.
func TestStoppingDoesNotWaitForAStoreThatIsAway(t *testing.T) {
	withMembers(t, func(t *testing.T, h *Hub, s *awayStore) {
		s.set(true, memberTimeout)
		const changes = 20 * memberBatchSize
		var done, postponed atomic.Int64
		for id := range bw.ConnectionID(changes) {
			h.members.add(&memberChange{
				Change:    store.Change{Room: 1, Connection: id},
				done:      func(store.Outcome, error) { done.Add(1) },
				postponed: func() { postponed.Add(1) },
			})
		}
		<-time.After(3 * memberTimeout)
		began := time.Now()
		h.members.stop()
		h.wg.Wait()
		if took := time.Since(began); took > 2*memberTimeout {
			t.Errorf("got the end after %v, want it after a try or two", took)
		}
		if done.Load() != changes || postponed.Load() != changes {
			t.Errorf("got %d answers and %d told to wait, want %d of each", done.Load(), postponed.Load(), changes)
		}
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
