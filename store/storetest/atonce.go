package storetest

import (
	"cmp"
	"errors"
	"slices"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// step is what one batch did to one room.
type step struct {
	version int64
	// began and ended are the users whose presence did.
	began, ended []bw.UserID
	users        int
}

// testServersAtOnce lets servers enter and leave the same user of one room,
// each together with one of its own. Whatever the interleaving, the versions
// put the batches into one order in which presences begin and end in turn and
// the count follows them.
func testServersAtOnce(t *testing.T, s *suite) {
	const servers, rounds = 4, 30
	room, ann, users := s.room(t, "room"), s.user(t, "ann"), s.users(t, servers)
	sides, errs := atOnce(servers, func(i int) (steps []step, err error) {
		id, err := s.Register(t.Context(), bw.ServerID(users[i].Name), long)
		in := []store.Change{join(room, ann, 1), join(room, ann, 2), join(room, users[i], 3)}
		out := []store.Change{leave(room, ann, 2), leave(room, ann, 1), leave(room, users[i], 3)}
		for round := 0; round < 2*rounds && err == nil; round++ {
			batch := [][]store.Change{in, out}[round%2]
			var outcomes []store.Outcome
			if outcomes, err = s.ApplyChanges(t.Context(), id, s.next(id), batch); err == nil {
				steps = append(steps, stepOf(batch, outcomes))
			}
		}
		return steps, err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i, side := range sides {
		if !slices.IsSortedFunc(side, func(a, b step) int { return cmp.Compare(a.version, b.version) }) {
			t.Errorf("server %d was told versions that go back: %+v", i, side)
		}
	}
	checkOneOrder(t, slices.Concat(sides...))
	s.checkOccupants(t, room)
}

// stepOf sums up what a batch to one room was answered.
func stepOf(batch []store.Change, outcomes []store.Outcome) step {
	var sum step
	for i, o := range outcomes {
		sum.version, sum.users = o.Version, o.Users
		switch {
		case o.Changed && batch[i].Leave:
			sum.ended = append(sum.ended, batch[i].User)
		case o.Changed:
			sum.began = append(sum.began, batch[i].User)
		}
	}
	return sum
}

// checkOneOrder checks the batches that changed a room which was empty before.
func checkOneOrder(t *testing.T, steps []step) {
	t.Helper()
	slices.SortFunc(steps, func(a, b step) int { return cmp.Compare(a.version, b.version) })
	present, last := make(map[bw.UserID]bool), int64(-1)
	for _, now := range steps {
		if len(now.began)+len(now.ended) == 0 {
			continue
		}
		if now.version == last {
			t.Fatalf("two batches that changed the room have version %d", last)
		}
		last = now.version
		for _, user := range now.began {
			if present[user] {
				t.Fatalf("version %d: the presence of user %d began a second time without an end", now.version, user)
			}
			present[user] = true
		}
		for _, user := range now.ended {
			if !present[user] {
				t.Fatalf("version %d: the presence of user %d ended without a beginning", now.version, user)
			}
			delete(present, user)
		}
		if now.users != len(present) {
			t.Fatalf("version %d: got %d users, want %d", now.version, now.users, len(present))
		}
	}
	if len(present) != 0 {
		t.Fatalf("presences that never ended: %v", present)
	}
}
