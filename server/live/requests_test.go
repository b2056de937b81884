package live_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestAJoinHoldsNobodyUp: while joins wait for the store, who is in a room goes on
// talking there.
func TestAJoinHoldsNobodyUp(t *testing.T) {
	s := newStand(t, nil)
	hall, attic := s.room("hall"), s.room("attic")
	ada, _ := s.join("ada", hall, "")
	s.slow.Lock()
	for n := range 5 {
		ada.say(`{"type":"join","id":"j%d","room":%d}`, n, attic)
	}
	ada.say(`{"type":"history","id":"h","room":%d}`, hall)
	ada.say(`{"type":"send","id":"named","room":%d,"text":"x"}`, hall)
	if ack := ada.await("ack"); ack.ID != "named" {
		t.Errorf("got the ack of %q, want it of what was said meanwhile", ack.ID)
	}
	s.slow.Unlock()
	if f := ada.await("joined"); f.ID != "j0" {
		t.Errorf("got %q joined, want the first one", f.ID)
	}
}

// TestWhatFollowsAJoinWaitsForIt: frames about a room keep their order, whatever
// takes time between them.
func TestWhatFollowsAJoinWaitsForIt(t *testing.T) {
	s := newStand(t, nil)
	hall, attic := s.room("hall"), s.room("attic")
	ada, _ := s.join("ada", hall, "")
	s.slow.Lock()
	ada.say(`{"type":"join","id":"in","room":%d}`, attic)
	ada.say(`{"type":"send","id":"1","room":%d,"text":"x"}`, attic)
	ada.say(`{"type":"history","id":"h","room":%d}`, attic)
	ada.say(`{"type":"leave","id":"out","room":%d}`, attic)
	ada.say(`{"type":"send","id":"2","room":%d,"text":"x"}`, attic)
	ada.say(`{"type":"join","id":"again","room":%d}`, attic)
	ada.say(`{"type":"send","id":"3","room":%d,"text":"x"}`, attic)
	s.slow.Unlock()
	var got []string
	for len(got) < 7 {
		switch f, err := ada.read(); {
		case err != nil:
			t.Fatal(err)
		case slices.Contains([]string{"joined", "ack", "left", "error", "history"}, f.Type):
			got = append(got, strings.TrimSpace(fmt.Sprint(f.ID, " ", f.Type, " ", f.Code)))
		}
	}
	for _, want := range []string{"in joined", "1 ack", "h history", "out left", "2 error not_in_room", "again joined", "3 ack"} {
		if !slices.Contains(got, want) {
			t.Errorf("got %q, want %q among them", got, want)
		}
	}
}

// TestWhatWaitsIsBounded: a connection that asks for more and more, while what it asks
// for does not come, is not read from any more.
func TestWhatWaitsIsBounded(t *testing.T) {
	s := newStand(t, nil)
	hall, attic := s.room("hall"), s.room("attic")
	ada, _ := s.join("ada", hall, "")
	s.slow.Lock()
	for n := range 100 {
		ada.say(`{"type":"join","id":"j%d","room":%d}`, n, attic)
	}
	ada.say(`{"type":"send","id":"late","room":%d,"text":"x"}`, hall)
	bob, _ := s.join("bob", hall, "")
	bob.say(`{"type":"send","id":"1","text":"x"}`)
	bob.await("ack")
	if m := ada.await("message"); m.ID != "1" {
		t.Errorf("got message %q first, want that of who does not wait", m.ID)
	}
	s.slow.Unlock()
	if ack := ada.await("ack"); ack.ID != "late" {
		t.Errorf("got the ack of %q, want what was said behind all", ack.ID)
	}
}
