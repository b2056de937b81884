// Package storetest holds the suite that every implementation of store.Store
// has to pass.
package storetest

import (
	"context"
	"fmt"
	"maps"
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
		{"a repeated batch among other servers'", testRepeatedAmongOthers},
		{"a batch repeated at once", testRepeatedAtOnce},
		{"repeated batches of any size", testRepeatedSizes},
		{"numbers that go back", testNumbersThatGoBack},
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
		{"a newer process keeps the name", testSucceed},
		{"renewing", testRenew},
		{"leases expire once", testExpireOnce},
		{"orphans", testOrphans},
		{"orphans in batches", testOrphanBatches},
		{"orphans deleted at once", testOrphansAtOnce},
		{"janitors that are broken off", testBrokenOffJanitors},
		{"orphans stay for their grace", testGrace},
		{"a user who is back within the grace", testBackWithinGrace},
		{"departures claimed at once", testDeparturesAtOnce},
		{"departures are given out again", testDeparturesAgain},
		{"a departure whose user is back", testBackBeforeTold},
		{"forgetting departures", testForgetDepartures},
		{"release", testRelease},
		{"a context that has ended", testEndedContext},
		{"health", func(t *testing.T, s *suite) {
			if err := s.Healthy(t.Context()); err != nil {
				t.Errorf("Healthy: %v", err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, &suite{Store: open(t), numbers: make(map[bw.Incarnation]int64)}) })
	}
}

// long is a lease that no test outlives; waitLimit bounds every wait.
const (
	long      = time.Hour
	waitLimit = 30 * time.Second
)

type suite struct {
	store.Store
	mu sync.Mutex
	// numbers are those of the last batches; guarded by mu.
	numbers map[bw.Incarnation]int64
}

// next numbers a batch.
func (s *suite) next(id store.Identity) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numbers[id.Incarnation]++
	return s.numbers[id.Incarnation]
}

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
	return s.send(t, id, s.next(id), batch...)
}

// repeat applies a server's last batch again, as one does that was not answered.
func (s *suite) repeat(t tester, id store.Identity, batch ...store.Change) []store.Outcome {
	t.Helper()
	s.mu.Lock()
	number := s.numbers[id.Incarnation]
	s.mu.Unlock()
	return s.send(t, id, number, batch...)
}

func (s *suite) send(t tester, id store.Identity, number int64, batch ...store.Change) []store.Outcome {
	t.Helper()
	outcomes, err := s.ApplyChanges(context.Background(), id, number, batch)
	if err != nil {
		t.Fatalf("ApplyChanges of %d changes under number %d: %v", len(batch), number, err)
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

// eventually waits for a condition.
func eventually(t tester, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(waitLimit)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("%s: not within %v", what, waitLimit)
		case <-tick.C:
		}
	}
}

// expireOne calls ExpireLeases until it has declared one incarnation dead, and
// no other with it.
func (s *suite) expireOne(t tester) (dead store.Identity) {
	t.Helper()
	eventually(t, "a lease that has expired", func() bool {
		list, err := s.ExpireLeases(context.Background())
		if err != nil || len(list) > 1 {
			t.Fatalf("ExpireLeases: got %v and %v, want one in the end", list, err)
		}
		if len(list) == 0 {
			return false
		}
		dead = list[0]
		return true
	})
	return dead
}

func (s *suite) release(t tester, id store.Identity) {
	t.Helper()
	if err := s.Release(context.Background(), id); err != nil {
		t.Fatalf("Release: %v", err)
	}
}

// bury deletes all orphans whose grace is over, at most limit at once, and says how
// many there were, and in which rooms presences ended.
func (s *suite) bury(t tester, grace time.Duration, limit int) (removed int, rooms map[bw.RoomID]bool) {
	t.Helper()
	rooms = make(map[bw.RoomID]bool)
	for range 10_000 {
		b, err := s.DeleteOrphans(context.Background(), grace, limit)
		if err != nil {
			t.Fatalf("DeleteOrphans(%v, %d): %v", grace, limit, err)
		}
		seen := make(map[bw.RoomID]bool)
		for _, room := range b.Rooms {
			seen[room], rooms[room] = true, true
		}
		if b.Removed > limit || len(seen) != len(b.Rooms) || len(seen) > b.Removed {
			t.Errorf("DeleteOrphans(%v, %d): got %+v, want at most as many and each room once", grace, limit, b)
		}
		removed += b.Removed
		if !b.More {
			return removed, rooms
		}
	}
	t.Fatal("DeleteOrphans does not come to an end")
	return 0, nil
}

// claim takes all departures that are to be told, at most limit at once.
func (s *suite) claim(t tester, limit int) (all []store.Departure) {
	t.Helper()
	for range 10_000 {
		some, err := s.ClaimDepartures(context.Background(), long, limit)
		if err != nil || len(some) > limit {
			t.Fatalf("ClaimDepartures(%d): got %d and error %v", limit, len(some), err)
		}
		for _, d := range some {
			if len(all) > 0 && d.ID <= all[len(all)-1].ID {
				t.Errorf("got departure %d after %d, want the oldest first", d.ID, all[len(all)-1].ID)
			}
			all = append(all, d)
		}
		if len(some) == 0 {
			return all
		}
	}
	t.Fatal("ClaimDepartures does not come to an end")
	return nil
}

// drain deletes all orphans, at most limit at once, and tells who left.
func (s *suite) drain(t tester, limit int) []store.Departure {
	t.Helper()
	s.bury(t, 0, limit)
	gone := s.claim(t, limit)
	ids := make([]int64, len(gone))
	for i, d := range gone {
		ids[i] = d.ID
	}
	if err := s.ForgetDepartures(context.Background(), ids); err != nil {
		t.Fatalf("ForgetDepartures: %v", err)
	}
	return gone
}

// checkLeft checks that these users, and no others, have left that often.
func checkLeft(t tester, gone []store.Departure, want map[bw.Name]int) {
	t.Helper()
	got := make(map[bw.Name]int)
	for _, d := range gone {
		got[d.User]++
	}
	if !maps.Equal(got, want) {
		t.Errorf("got departures of %v, want %v", got, want)
	}
}
