package directory

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// silent is a store that answers nothing while it is away, and what a call costs then.
type silent struct {
	store.Store
	mu    sync.Mutex // guards the rest
	away  bool
	asked int
}

const patience = 5 * time.Second

func (s *silent) set(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (s *silent) EnsureUser(ctx context.Context, name bw.Name) (bw.User, error) {
	s.mu.Lock()
	away := s.away
	s.asked++
	s.mu.Unlock()
	if !away {
		return bw.User{ID: 1, Name: name}, nil
	}
	select {
	case <-time.After(patience):
		return bw.User{}, bw.Unavailablef(context.DeadlineExceeded, "find a user")
	case <-ctx.Done():
		return bw.User{}, context.Cause(ctx)
	}
}

// TestAStoreThatIsAwayCostsPeopleLittle: the first of them wait, all others are told at
// once, and when it is back somebody finds out within a second.
func TestAStoreThatIsAwayCostsPeopleLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &silent{away: true}
		g := NewGuarded(s, slog.New(slog.DiscardHandler))
		for range trip {
			if _, err := g.EnsureUser(t.Context(), "ann"); bw.KindOf(err) != bw.Unavailable {
				t.Fatalf("got %v, want unavailable", err)
			}
		}
		began := time.Now()
		for range 1000 {
			if _, err := g.EnsureUser(t.Context(), "ann"); bw.KindOf(err) != bw.Unavailable {
				t.Fatalf("got %v, want unavailable", err)
			}
		}
		if took := time.Since(began); took > 0 || s.asked != trip {
			t.Errorf("a thousand questions took %v and %d were asked, want no time and %d", took, s.asked, trip)
		}
		s.set(false)
		for {
			_, err := g.EnsureUser(t.Context(), "ann")
			if err == nil {
				break
			}
			<-time.After(10 * time.Millisecond)
		}
		if took := time.Since(began); took > rest+20*time.Millisecond {
			t.Errorf("an answer came %v after it was back, want %v", took, rest)
		}
	})
}

// TestWhoGoesAwaySaysNothingAboutTheStore: their number closes it to nobody.
func TestWhoGoesAwaySaysNothingAboutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &silent{away: true}
		g := NewGuarded(s, slog.New(slog.DiscardHandler))
		gone, leave := context.WithCancel(t.Context())
		leave()
		for range 2 * trip {
			if _, err := g.EnsureUser(gone, "ann"); err == nil {
				t.Fatal("got a user for nobody")
			}
		}
		s.set(false)
		if _, err := g.EnsureUser(t.Context(), "ann"); err != nil {
			t.Errorf("got %v, want a user", err)
		}
	})
}

// TestNoesAreAnswers: a store that says no is there.
func TestNoesAreAnswers(t *testing.T) {
	g := NewGuarded(newCrowd(0), slog.New(slog.DiscardHandler))
	for range 2 * trip {
		if _, err := g.FindRoom(t.Context(), 7); bw.KindOf(err) != bw.NoSuchRoom {
			t.Fatalf("got %v, want that there is no such room", err)
		}
	}
}
