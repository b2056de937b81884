package live_test

import (
	"context"
	"slices"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/server/live"
)

// lists waits until the store has these users in a room, and nobody else.
func (s *stand) lists(room bw.RoomID, want ...bw.Name) {
	s.t.Helper()
	var got []bw.Name
	s.until("the room's user list", func() bool {
		list, err := s.store.ListOccupants(s.t.Context(), room, 0, 100)
		if err != nil {
			s.t.Fatal(err)
		}
		got = nil
		for _, u := range list.Users {
			got = append(got, u.Name)
		}
		return slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want)))
	})
}

// A server that may count as dead stores nothing and lets nobody in, and goes on as if
// nothing had been when it has its place again.
func TestAServerWithoutStandingRefuses(t *testing.T) {
	s := newStand(t, nil)
	hall, bar := s.room("hall"), s.room("bar")
	ada, _ := s.join("ada", hall, "")
	s.seat.lapsed.Store(true)
	ada.say(`{"type":"send","id":"m","room":%d,"text":"anybody?"}`, hall)
	if f := ada.await("error"); f.Code != "unavailable" || f.ID != "m" {
		t.Errorf("a send: got %+v, want unavailable", f)
	}
	ada.say(`{"type":"join","id":"j","room":%d}`, bar)
	if f := ada.await("error"); f.Code != "unavailable" || f.ID != "j" {
		t.Errorf("a join: got %+v, want unavailable", f)
	}
	if code := s.dial("bob", hall, "").closed(); code != 4101 {
		t.Errorf("a first join: got closed with %d, want 4101", code)
	}
	if _, err := s.hub.Send(t.Context(), "ada", broker.Send{Room: hall, User: "ada", ID: "h", Text: "x"}); bw.KindOf(err) != bw.Unavailable {
		t.Errorf("a send by HTTP: got %v, want unavailable", err)
	}
	for what, err := range map[string]error{"readiness": s.hub.Ready(), "admission": s.hub.Admit()} {
		if bw.KindOf(err) != bw.Unavailable {
			t.Errorf("%s: got %v, want unavailable", what, err)
		}
	}
	s.seat.lapsed.Store(false)
	ada.say(`{"type":"send","id":"m","room":%d,"text":"anybody?"}`, hall)
	if f := ada.await("ack"); f.Duplicate || f.Seq != 1 {
		t.Errorf("the same send again: got %+v, want it stored for the first time", f)
	}
	if err := s.hub.Ready(); err != nil {
		t.Errorf("got %v, want it ready again", err)
	}
}

// Who cannot be kept is sent elsewhere, but not before the limit.
func TestAServerThatStaysWithoutStandingSendsItsPeopleElsewhere(t *testing.T) {
	const limit = time.Second
	s := newStand(t, func(c *live.Config) { c.FencedLimit = limit })
	ada, _ := s.join("ada", s.room("hall"), "")
	s.seat.lapsed.Store(true)
	began := time.Now()
	if code := ada.closed(); code != 4201 || time.Since(began) < limit/2 {
		t.Errorf("got closed with %d after %v, want 4201 after %v", code, time.Since(began), limit)
	}
}

// Another one has declared the server dead, and its people gone; they are there again,
// and the room is told of it, by the first thing that the server writes.
func TestAServerThatWasDeclaredDeadEntersItsPeopleAgain(t *testing.T) {
	s := newStand(t, nil)
	hall, bar := s.room("hall"), s.room("bar")
	ada, _ := s.join("ada", hall, "")
	ada.await("presence")
	bob, _ := s.join("bob", hall, "")
	ada.await("presence")
	bob.say(`{"type":"join","id":"j","room":%d}`, bar)
	bob.await("joined")
	before, _ := s.seat.Current()
	if err := s.store.Release(t.Context(), before); err != nil { // the word of another one
		t.Fatal(err)
	}
	if _, err := s.store.DeleteOrphans(t.Context(), 0, 100); err != nil {
		t.Fatal(err)
	}
	s.lists(hall)
	departures, err := s.store.ClaimDepartures(t.Context(), time.Minute, 100)
	if err != nil || len(departures) != 3 {
		t.Fatalf("got %+v and %v, want three who are gone", departures, err)
	}
	var notices []broker.Notice
	for _, d := range departures {
		notices = append(notices, broker.Notice{ID: d.ID, Room: d.Room, Left: []bw.Name{d.User}, Users: d.Users, PresenceVersion: d.Version})
	}
	if err := s.broker.Announce(t.Context(), notices); err != nil {
		t.Fatal(err)
	}
	if f := ada.await("presence"); !slices.Equal(f.Left, []bw.Name{"ada", "bob"}) || f.Users != 0 {
		t.Errorf("got %+v, want both gone", f)
	}
	if err := s.broker.Announce(t.Context(), notices); err != nil { // whoever had announced it was killed
		t.Fatal(err)
	}
	cyd, _ := s.join("cyd", bar, "")
	s.lists(hall, "ada", "bob")
	s.lists(bar, "bob", "cyd")
	if f := ada.await("presence"); !slices.Equal(f.Joined, []bw.Name{"ada", "bob"}) || len(f.Left) != 0 || f.Users != 2 {
		t.Errorf("got %+v, want both back and nobody gone again", f)
	}
	if after, _ := s.seat.Current(); after.Incarnation <= before.Incarnation {
		t.Errorf("got %v, want a later incarnation than %v", after, before)
	}
	_ = cyd.ws.CloseNow()
	_ = bob.ws.CloseNow()
	s.lists(hall, "ada")
	s.lists(bar)
}

// Who is sent away by a drain is not told gone for it, and who leaves is.
func TestADrainTellsNobodyGone(t *testing.T) {
	s := newStand(t, nil)
	hall, bar := s.room("hall"), s.room("bar")
	moves, _ := s.join("moves", hall, "")
	stays, _ := s.join("stays", hall, "")
	leaves, _ := s.join("leaves", hall, "")
	leaves.say(`{"type":"join","id":"j","room":%d}`, bar)
	leaves.await("joined")
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.hub.Drain(context.Background(), time.Second)
	}()
	moves.await("drain")
	_ = moves.ws.CloseNow()
	leaves.await("drain")
	leaves.say(`{"type":"leave","id":"l","room":%d}`, hall)
	leaves.await("left")
	if code := stays.closed(); code != 4200 {
		t.Errorf("got closed with %d, want 4200", code)
	}
	<-drained
	s.lists(hall, "moves", "stays")
	s.lists(bar, "leaves")
	// So they are those of a dead server, and their ends are told once.
	id, _ := s.seat.Current()
	if err := s.store.Release(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if burial, err := s.store.DeleteOrphans(t.Context(), 0, 100); err != nil || burial.Removed != 3 || burial.More {
		t.Errorf("got %+v and %v, want three removed", burial, err)
	}
	if gone, err := s.store.ClaimDepartures(t.Context(), time.Minute, 100); err != nil || len(gone) != 3 {
		t.Errorf("got %+v and %v, want three to be told", gone, err)
	}
	s.lists(hall)
}
