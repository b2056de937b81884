package directory

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/cache"
)

// wantUnavailable is what a client may be told, with the cause for the log.
func wantUnavailable(t *testing.T, err, cause error) {
	t.Helper()
	var e *bw.Error
	if !errors.As(err, &e) || e.Kind != bw.Unavailable || !errors.Is(err, cause) {
		t.Errorf("got %v, want unavailable because of %v", err, cause)
		return
	}
	if e.Detail == "" || strings.Contains(e.Detail, cause.Error()) {
		t.Errorf("detail: got %q, want one that says nothing of %v", e.Detail, cause)
	}
}

func TestErrorsOfTheStoreAreNotKept(t *testing.T) {
	broken := errors.New("disk I/O error")
	room, ann := bw.Room{ID: 1, Name: "room", CreatedAt: 1}, bw.User{ID: 1, Name: "ann", CreatedAt: 1}
	for _, c := range []struct {
		name string
		err  error
		want bw.Kind
	}{
		{"no kind", broken, bw.Unavailable},
		{"unavailable", bw.Unavailablef(broken, "the store is down"), bw.Unavailable},
		{"overloaded", &bw.Error{Kind: bw.Overloaded, Detail: "too much", Err: broken}, bw.Overloaded},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMemory()
			m.create(room)
			d, w := open(t, m)
			w.set(func(w *watched) { w.err = c.err })
			for range 3 {
				if _, err := d.FindRoom(t.Context(), room.ID); bw.KindOf(err) != c.want || !errors.Is(err, broken) {
					t.Errorf("room: got %v, want %s because of %v", err, c.want, broken)
				}
				if _, err := d.EnsureUser(t.Context(), ann.Name); bw.KindOf(err) != c.want || !errors.Is(err, broken) {
					t.Errorf("user: got %v, want %s because of %v", err, c.want, broken)
				}
			}
			wantAsked(t, w, 6)
			w.set(func(w *watched) { w.err = nil })
			wantRoom(t, d, room)
			wantUser(t, d, ann)
		})
	}
}

// What is known already needs no store.
func TestAnOutageIsNotSeenByWhoIsKnown(t *testing.T) {
	s := openStore(t)
	d, w := open(t, s)
	room, err := s.CreateRoom(t.Context(), "room")
	ann, err2 := d.EnsureUser(t.Context(), "ann")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	wantRoom(t, d, room)
	w.set(func(w *watched) { w.err = errors.New("down") })
	wantRoom(t, d, room)
	wantUser(t, d, ann)
}

func TestABrokenCacheCostsTimeOnly(t *testing.T) {
	m := newMemory()
	room := bw.Room{ID: 1, Name: "room", CreatedAt: 1}
	d, w := openWith(t, m, brokenCache{})
	wantNoRoom(t, d, 1)
	m.create(room)
	wantRoom(t, d, room)
	wantUser(t, d, bw.User{ID: 1, Name: "ann", CreatedAt: 1})
	wantUser(t, d, bw.User{ID: 1, Name: "ann", CreatedAt: 1})
	wantAsked(t, w, 4)
}

func TestAStoreThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := open(t, newMemory())
		w.set(func(w *watched) { w.hold = make(chan struct{}) })
		began := time.Now()
		_, err := d.EnsureUser(t.Context(), "ann")
		wantUnavailable(t, err, context.DeadlineExceeded)
		if got := time.Since(began); got != loadLimit {
			t.Errorf("waited: got %v, want %v", got, loadLimit)
		}
		w.set(func(w *watched) { w.hold = nil })
		wantUser(t, d, bw.User{ID: 1, Name: "ann", CreatedAt: 1})
	})
}

func TestCloseEndsWhatIsBeingLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, w := open(t, newMemory())
		w.set(func(w *watched) { w.hold = make(chan struct{}) })
		failed := make(chan error, 2)
		go func() { _, err := d.EnsureUser(t.Context(), "ann"); failed <- err }()
		go func() { _, err := d.FindRoom(t.Context(), 2); failed <- err }()
		synctest.Wait()
		began := time.Now()
		d.Close()
		wantUnavailable(t, <-failed, context.Canceled)
		wantUnavailable(t, <-failed, context.Canceled)
		if got := time.Since(began); got != 0 {
			t.Errorf("close: got %v, want at once", got)
		}
		_, err := d.EnsureUser(t.Context(), "bob")
		wantUnavailable(t, err, cache.ErrLoaderClosed)
	})
}
