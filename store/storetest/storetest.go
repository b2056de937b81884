// Package storetest holds the suite that every implementation of store.Store
// has to pass.
package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// Run checks an implementation. open returns an empty store and closes it when
// the test ends.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, *suite)
	}{
		{"users", testUsers},
		{"user names", testUserNames},
		{"users created at once", testCreateUserRace},
		{"users ensured at once", testEnsureUserRace},
		{"rooms", testRooms},
		{"rooms created at once", testCreateRoomRace},
		{"room pages", testRoomPages},
		{"first and last connection", testFirstAndLast},
		{"repeated changes", testRepeatedChanges},
		{"a repeated batch", testRepeatedBatch},
		{"a batch is seen whole", testBatchIsSeenWhole},
		{"a batch that is given up", testBrokenOffBatch},
		{"changes within a batch", testOrderWithinBatch},
		{"an empty batch", testEmptyBatch},
		{"a large batch", testLargeBatch},
		{"occupants", testOccupants},
		{"servers change a room at once", testServersAtOnce},
		{"changes against a model", testChangesAgainstModel},
		{"a dead incarnation is fenced", testFencing},
		{"a life ends while its connections enter", testFencingRace},
		{"registering again kills the older life", testRegisterKills},
		{"renewing", testRenew},
		{"leases expire once", testExpireOnce},
		{"orphans", testOrphans},
		{"orphans in batches", testOrphanBatches},
		{"orphans deleted at once", testOrphansAtOnce},
		{"release", testRelease},
		{"a context that has ended", testEndedContext},
		{"health", func(t *testing.T, s *suite) {
			if err := s.Healthy(t.Context()); err != nil {
				t.Errorf("Healthy: %v", err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, &suite{Store: open(t)}) })
	}
}

// long is a lease that no test outlives; waitLimit bounds every wait.
const (
	long      = time.Hour
	waitLimit = 30 * time.Second
)

type suite struct{ store.Store }

// tester is what a *testing.T and a *rapid.T have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func (s *suite) user(t tester, name string) bw.User {
	t.Helper()
	u, err := s.EnsureUser(context.Background(), bw.Name(name))
	if err != nil {
		t.Fatalf("EnsureUser(%q): %v", name, err)
	}
	return u
}

// users makes n users; their ids grow.
func (s *suite) users(t tester, n int) []bw.User {
	t.Helper()
	list := make([]bw.User, n)
	for i := range list {
		list[i] = s.user(t, fmt.Sprintf("user %d", i))
	}
	return list
}

func (s *suite) room(t tester, name string) bw.RoomID {
	t.Helper()
	r, err := s.CreateRoom(context.Background(), bw.Name(name))
	if err != nil {
		t.Fatalf("CreateRoom(%q): %v", name, err)
	}
	return r.ID
}

func (s *suite) register(t tester, server string, ttl time.Duration) store.Identity {
	t.Helper()
	id, err := s.Register(context.Background(), bw.ServerID(server), ttl)
	if err != nil {
		t.Fatalf("Register(%q): %v", server, err)
	}
	return id
}

func (s *suite) apply(t tester, id store.Identity, batch ...store.Change) []store.Outcome {
	t.Helper()
	outcomes, err := s.ApplyChanges(context.Background(), id, batch)
	if err != nil {
		t.Fatalf("ApplyChanges of %d changes: %v", len(batch), err)
	}
	if len(outcomes) != len(batch) {
		t.Fatalf("got %d outcomes for %d changes", len(outcomes), len(batch))
	}
	return outcomes
}

func join(room bw.RoomID, user bw.User, connection bw.ConnectionID) store.Change {
	return store.Change{Room: room, User: user.ID, Connection: connection}
}

func leave(room bw.RoomID, user bw.User, connection bw.ConnectionID) store.Change {
	return store.Change{Room: room, User: user.ID, Connection: connection, Leave: true}
}

// occupants reads who is in a room and checks that the counts agree.
func (s *suite) occupants(t tester, room bw.RoomID) []bw.Name {
	t.Helper()
	o, err := s.ListOccupants(context.Background(), room, 0, 100_000)
	if err != nil {
		t.Fatalf("ListOccupants(%d): %v", room, err)
	}
	r, err := s.FindRoom(context.Background(), room)
	if err != nil {
		t.Fatalf("FindRoom(%d): %v", room, err)
	}
	if len(o.Users) != o.Count || r.Users != o.Count {
		t.Errorf("room %d: %d users listed, counted %d, by the room %d", room, len(o.Users), o.Count, r.Users)
	}
	names := make([]bw.Name, len(o.Users))
	for i, u := range o.Users {
		names[i] = u.Name
	}
	return names
}

func (s *suite) checkOccupants(t tester, room bw.RoomID, want ...bw.Name) {
	t.Helper()
	if got := s.occupants(t, room); !slices.Equal(got, want) {
		t.Errorf("room %d: got occupants %q, want %q", room, got, want)
	}
}

func checkOutcomes(t tester, got []store.Outcome, changed []bool, users []int) {
	t.Helper()
	for i := range got {
		if got[i].Changed != changed[i] || got[i].Users != users[i] {
			t.Errorf("change %d: got changed %v, users %d; want %v, %d", i, got[i].Changed, got[i].Users, changed[i], users[i])
		}
	}
}

func checkKind(t tester, what string, err error, want bw.Kind) {
	t.Helper()
	if got := bw.KindOf(err); got != want {
		t.Errorf("%s: got error %v of kind %q, want %q", what, err, got, want)
	}
}

// atOnce runs n calls together and returns what they returned.
func atOnce[T any](n int, call func(i int) (T, error)) (values []T, errs []error) {
	values, errs = make([]T, n), make([]error, n)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-begin
			values[i], errs[i] = call(i)
		})
	}
	close(begin)
	all.Wait()
	return values, errs
}

// expireOne calls ExpireLeases until it has declared one incarnation dead, and
// no other with it.
func (s *suite) expireOne(t tester) store.Identity {
	t.Helper()
	deadline := time.After(waitLimit)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		dead, err := s.ExpireLeases(context.Background())
		if err != nil || len(dead) > 1 {
			t.Fatalf("ExpireLeases: got %v and %v, want one in the end", dead, err)
		}
		if len(dead) == 1 {
			return dead[0]
		}
		select {
		case <-deadline:
			t.Fatalf("after %v no lease has expired", waitLimit)
		case <-tick.C:
		}
	}
}

// drain deletes all orphans, at most limit at once.
func (s *suite) drain(t tester, limit int) []store.Departure {
	t.Helper()
	var all []store.Departure
	for range 10_000 {
		departures, more, err := s.DeleteOrphans(context.Background(), limit)
		if err != nil {
			t.Fatalf("DeleteOrphans(%d): %v", limit, err)
		}
		if len(departures) > limit {
			t.Errorf("DeleteOrphans(%d) returned %d departures", limit, len(departures))
		}
		all = append(all, departures...)
		if !more {
			return all
		}
	}
	t.Fatal("DeleteOrphans does not come to an end")
	return nil
}
