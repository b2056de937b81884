package directory

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

func TestListsAreReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(2)
		one, two := openSides(t, s, newCache(t))
		one.join(1, 7)
		var all sync.WaitGroup
		for range 50 {
			for _, v := range []*side{one, two} {
				all.Go(func() { v.wantUsers(1, 7) })
				all.Go(func() { v.wantUsers(2) })
				all.Go(func() { v.wantList(1, 0) })
			}
		}
		all.Wait()
		// Servers do not wait for each other: each may have asked once.
		for what, most := range map[string]int{"users": 4, "room": 4, "list": 2} {
			if got := s.asked(what); got < most/2 || got > most {
				t.Errorf("questions for %s: got %d, want %d for each thing and server at most", what, got, most)
			}
		}
	})
}

// Whoever asks after a change has returned gets what is true, on any server.
func TestEveryChangeIsSeenByEveryServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(2)
		one, two := openSides(t, s, newCache(t))
		sides := []*side{one, two}
		see := func(first, second []bw.UserID) {
			t.Helper()
			for _, v := range sides {
				v.wantUsers(1, first...)
				v.wantUsers(2, second...)
			}
		}
		see(nil, nil)
		one.join(1, 7)
		see([]bw.UserID{7}, nil)
		two.change(store.Change{Room: 1, User: 8}, store.Change{Room: 2, User: 8})
		see([]bw.UserID{7, 8}, []bw.UserID{8})
		two.leave(1, 7)
		see([]bw.UserID{8}, []bw.UserID{8})
		s.set(func() { s.applyErr = errors.New("the answer was lost") })
		if _, err := one.ApplyChanges(t.Context(), store.Identity{}, 1, []store.Change{{Room: 2, User: 9}}); err == nil {
			t.Error("a batch whose answer was lost: got no error")
		}
		see([]bw.UserID{8}, []bw.UserID{8, 9})
		if _, err := two.DeleteOrphans(t.Context(), 0, 10); err != nil {
			t.Errorf("delete orphans: %v", err)
		}
		see(nil, nil)
	})
}

// What changed nothing makes nobody read again.
func TestRepeatedChangesForgetNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(1)
		one, two := openSides(t, s, newCache(t))
		one.join(1, 7)
		one.wantUsers(1, 7)
		two.join(1, 7)
		two.leave(1, 8)
		one.wantUsers(1, 7)
		if got := s.asked("users"); got != 1 {
			t.Errorf("questions for users: got %d, want 1", got)
		}
	})
}

// A server has read a list, and is about to keep it, when another one changes it.
func TestAListThatWasReadBeforeAChangeIsNotKept(t *testing.T) {
	for _, row := range []struct {
		name     string
		markless bool
		want     []bw.UserID
	}{
		{"with marks", false, []bw.UserID{7}},
		{"without", true, nil}, // it would be
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newCrowd(1)
				one, two := openSides(t, s, &flaky{Cache: newCache(t), markless: row.markless})
				s.set(func() { s.hold = make(chan struct{}) })
				var early sync.WaitGroup
				early.Go(func() {
					if o, err := one.ListOccupants(t.Context(), 1, 0, 100); err != nil || o.Count != 0 {
						t.Errorf("who asked before: got %+v, %v, want nobody", o, err)
					}
				})
				synctest.Wait()
				hold := s.hold
				s.set(func() { s.hold = nil })
				two.join(1, 7)
				if !row.markless {
					one.wantUsers(1, 7) // does not wait for the one that runs
				}
				close(hold)
				early.Wait()
				for _, v := range []*side{one, two} {
					if o, err := v.ListOccupants(t.Context(), 1, 0, 100); err != nil || o.Count != len(row.want) {
						t.Errorf("got %+v, %v, want users %v", o, err, row.want)
					}
				}
			})
		})
	}
}

func TestACreatedRoomIsKnownEverywhereAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, shared := newCrowd(0), newCache(t)
		one, two := openSide(t, s, shared, newCache(t)), openSide(t, s, shared, newCache(t))
		for range 3 { // its absence is kept, and the list is
			for _, v := range []*side{one, two} {
				wantNoRoom(t, v.names, 1)
				if _, err := v.FindRoom(t.Context(), 1); bw.KindOf(err) != bw.NoSuchRoom {
					t.Errorf("find: got %v, want no_such_room", err)
				}
				v.wantList()
			}
		}
		if got := s.asked("room"); got != 2 {
			t.Errorf("questions for the room: got %d, want 2", got)
		}
		room, err := two.CreateRoom(t.Context(), "room")
		if err != nil {
			t.Fatalf("create: %v", err)
		}
		for _, v := range []*side{one, two} {
			wantRoom(t, v.names, room)
			v.wantUsers(1)
			v.wantList(0)
		}
	})
}

// A question of one server has found nothing, and is on the way back, when another
// one makes the room.
func TestACreatedRoomIsKnownToThoseWhoAskAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, shared, hold := newCrowd(0), newCache(t), make(chan struct{})
		one, two := openSide(t, s, shared, newCache(t)), openSide(t, s, shared, newCache(t))
		s.set(func() { s.hold = hold })
		var asking sync.WaitGroup
		asking.Go(func() {
			if _, err := one.names.FindRoom(t.Context(), 1); err != nil && bw.KindOf(err) != bw.NoSuchRoom {
				t.Errorf("who asked before: got %v, want the room or no_such_room", err)
			}
		})
		synctest.Wait()
		s.set(func() { s.hold = nil })
		room, err := two.CreateRoom(t.Context(), "room")
		if err != nil {
			t.Fatalf("create: %v", err)
		}
		asking.Go(func() { wantRoom(t, one.names, room) })
		wantRoom(t, two.names, room)
		synctest.Wait()
		close(hold)
		asking.Wait()
		wantRoom(t, one.names, room)
	})
}

// In quiet times the list of rooms is true at once; when there is much coming and
// going it is a quarter of a second old, and read as often.
func TestTheListOfRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(2)
		one, two := openSides(t, s, newCache(t))
		two.wantList(0, 0)
		one.join(1, 7)
		two.wantList(1, 0)
		<-time.After(keepList)
		two.wantList(1, 0)
		one.join(2, 7)
		two.wantList(1, 1)

		s.asked("list")
		const storm = 10 * time.Second
		began, users := time.Now(), bw.UserID(100)
		for ; time.Since(began) < storm; users++ {
			one.join(1, users)
			if _, err := two.ListRooms(t.Context(), 0, 10); err != nil {
				t.Fatalf("list: %v", err)
			}
			<-time.After(time.Millisecond)
		}
		// Forgotten once, and expired once, in each time to live.
		if got, most := s.asked("list"), 3*int(storm/keepList); got > most {
			t.Errorf("questions for the list in %v: got %d, want %d at most", storm, got, most)
		}
		<-time.After(keepList)
		two.wantList(int(users-100)+1, 1)
	})
}

func TestPagesAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(12)
		one, two := openSides(t, s, newCache(t))
		for user := range bw.UserID(12) {
			one.join(1, user+1)
			one.join(11, user+1)
		}
		for range 2 {
			for _, v := range []*side{one, two} {
				for after := range bw.UserID(12) {
					for limit := range 12 {
						o, err := v.ListOccupants(t.Context(), 1, after, limit)
						if want := min(limit, 12-int(after)); err != nil || len(o.Users) != want || want > 0 && o.Users[0].ID != after+1 {
							t.Fatalf("users after %d, %d of them: got %+v, %v", after, limit, o, err)
						}
						list, err := v.ListRooms(t.Context(), bw.RoomID(after), limit)
						if want := min(limit, 12-int(after)); err != nil || len(list) != want || want > 0 && list[0].ID != bw.RoomID(after)+1 {
							t.Fatalf("rooms after %d, %d of them: got %+v, %v", after, limit, list, err)
						}
					}
				}
			}
		}
	})
}

// A server that cannot reach the cache serves and writes as if there were none;
// the others show what it has changed two seconds later at the latest.
func TestAServerWithoutTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, shared := newCrowd(1), newCache(t)
		view := &flaky{Cache: shared}
		one, two := openSide(t, s, view), openSide(t, s, shared)
		two.wantUsers(1)
		two.wantList(0)
		view.away.Store(true)
		began := time.Now()
		one.join(1, 7)
		one.wantUsers(1, 7)
		one.wantList(1)
		if took := time.Since(began); took != 0 {
			t.Errorf("without the cache: took %v, want no waiting", took)
		}
		two.wantUsers(1) // it cannot know
		<-time.After(keepPresent)
		two.wantUsers(1, 7)
		two.wantList(1)
		view.away.Store(false)
		one.leave(1, 7)
		one.wantUsers(1)
		two.wantUsers(1)
	})
}

func TestACacheThatHangsHoldsAWriteUpForASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, view := newCrowd(1), &flaky{Cache: newCache(t)}
		one := openSide(t, s, view)
		view.hangs.Store(true)
		began := time.Now()
		one.join(1, 7)
		if took := time.Since(began); took > forgetLimit {
			t.Errorf("a write took %v, want %v at most", took, forgetLimit)
		}
	})
}

// Who has gone has changed what he has changed.
func TestAChangeOfACallerWhoHasGoneIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(1)
		one, two := openSides(t, s, &flaky{Cache: newCache(t)})
		two.wantUsers(1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := one.ApplyChanges(ctx, store.Identity{}, 1, []store.Change{{Room: 1, User: 7}}); err != nil {
			t.Errorf("apply: %v", err)
		}
		two.wantUsers(1, 7)
	})
}

// While the store is away, what any server has known goes on.
func TestAnOutageOfTheStore(t *testing.T) {
	m, shared := newMemory(), newCache(t)
	m.create(bw.Room{ID: 1, Name: "room", CreatedAt: 1})
	one, w := openWith(t, m, newCache(t), shared)
	two, v := openWith(t, m, newCache(t), shared)
	room := bw.Room{ID: 1, Name: "room", CreatedAt: 1}
	wantRoom(t, one, room)
	wantUser(t, one, bw.User{ID: 1, Name: "ann", CreatedAt: 1})
	for _, w := range []*watched{w, v} {
		w.set(func(w *watched) { w.err = errors.New("down") })
	}
	for _, d := range []*Directory{one, two} {
		wantRoom(t, d, room)
		wantUser(t, d, bw.User{ID: 1, Name: "ann", CreatedAt: 1})
	}
	if _, err := two.EnsureUser(t.Context(), "bob"); bw.KindOf(err) != bw.Unavailable {
		t.Errorf("an unknown user: got %v, want unavailable", err)
	}
}
