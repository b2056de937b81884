package directory

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

func TestRoomsAreAskedForOnce(t *testing.T) {
	s := openStore(t)
	d, w := open(t, s)
	for _, name := range []bw.Name{"room", "<&>\"\\ é漢字😀"} {
		room, err := s.CreateRoom(t.Context(), name)
		if err != nil {
			t.Fatalf("create %q: %v", name, err)
		}
		for range 10 {
			wantRoom(t, d, room)
		}
		wantAsked(t, w, 1)
	}
}

func TestAStormOfJoinsAsksForARoomOnce(t *testing.T) {
	s := openStore(t)
	d, w := open(t, s)
	room, err := s.CreateRoom(t.Context(), "room")
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { wantRoom(t, d, room) })
	}
	all.Wait()
	wantAsked(t, w, 1)
}

// Where a room was made past the servers, nobody says so.
func TestAbsenceIsForgottenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		d, w := open(t, m)
		wantNoRoom(t, d, 1)
		room := bw.Room{ID: 1, Name: "room", CreatedAt: 1}
		m.create(room)
		wantNoRoom(t, d, 1)
		wantAsked(t, w, 1)
		<-time.After(keepAbsent + time.Second)
		wantRoom(t, d, room)
		wantAsked(t, w, 1)
	})
}

func TestOneWhoGivesUpLeavesTheAnswerToOthers(t *testing.T) {
	for name, giveUp := range map[string]struct {
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		"gone": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, context.Canceled},
		"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				room := bw.Room{ID: 1, Name: "room", CreatedAt: 1}
				m.create(room)
				d, w := open(t, m)
				hold := make(chan struct{})
				w.set(func(w *watched) { w.hold = hold })
				ctx, cancel := giveUp.ctx(t.Context())
				defer cancel()
				var impatient, patient sync.WaitGroup
				impatient.Go(func() {
					_, err := d.FindRoom(ctx, room.ID)
					wantUnavailable(t, err, giveUp.want)
				})
				synctest.Wait() // his question is the one that is asked
				patient.Go(func() { wantRoom(t, d, room) })
				synctest.Wait()
				impatient.Wait()
				close(hold)
				patient.Wait()
				wantAsked(t, w, 1)
			})
		})
	}
}
