package membroker_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker/membroker"
)

func TestRestartRemembersSends(t *testing.T) {
	now, log := newClock(), newFakeLog()
	first := open(t, membroker.Config{Now: now.Now}, log)
	sent := first.want("a", "text", "", 1, false)
	first.close()

	now.move(bw.DedupeWindow - time.Millisecond)
	second := open(t, membroker.Config{Now: now.Now}, log)
	again := second.want("a", "text", "", 1, true)
	if again.Position != sent.Position || again.Timestamp != sent.Timestamp {
		t.Fatalf("repeat after a restart: got %+v, want the first ack %+v", again.Ack, sent.Ack)
	}
	second.want("a", "other", bw.IDConflict, 0, false)

	// The room has been heard in this life now, and still knows the last one.
	second.want("b", "text", "", 2, false)
	second.want("a", "text", "", 1, true)
}

// A room that is forgotten and loaded again knows the sends of the last life.
func TestEvictedRoomRemembersSendsFromBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now, log := newClock(), newFakeLog()
		first := open(t, membroker.Config{Now: now.Now}, log)
		first.want("a", "text", "", 1, false)
		first.close()

		second := open(t, membroker.Config{Now: now.Now, IdleRooms: 1}, log)
		second.want("b", "text", "", 2, false)
		for i := range 20 {
			<-second.begin(otherRoom+bw.RoomID(i), "x", "text")
		}
		// The last batch lets go of its rooms after its answers.
		synctest.Wait()
		if got := second.metric("rooms"); got != 1 {
			t.Fatalf("rooms in memory: got %v, want 1", got)
		}
		second.want("a", "text", "", 1, true)
	})
}

func TestSendIsForgottenAfterTheWindow(t *testing.T) {
	now := newClock()
	s := open(t, membroker.Config{Now: now.Now}, newFakeLog())
	s.want("a", "text", "", 1, false)
	now.move(bw.DedupeWindow)
	s.want("a", "text", "", 1, true)
	now.move(time.Millisecond)
	s.want("a", "other text", "", 2, false)
	s.want("a", "text", bw.IDConflict, 0, false)
}

// The log is asked only where it may know something.
func TestNewSendsDoNotAskTheLog(t *testing.T) {
	now, log := newClock(), newFakeLog()
	send := func(s *subject, n int) (asked int) {
		before := log.findCount()
		for i := range n {
			if a := <-s.begin(room, bw.MessageID(fmt.Sprintf("%d-%d", before, i)+now.Now().String()), "text"); a.err != nil {
				t.Fatalf("send: %v", a.err)
			}
		}
		return log.findCount() - before
	}
	s := open(t, membroker.Config{Now: now.Now}, log)
	if got := send(s, 100); got != 0 {
		t.Fatalf("lookups in a new room: got %d, want 0", got)
	}
	s.close()

	now.move(time.Minute)
	s = open(t, membroker.Config{Now: now.Now}, log)
	if got := send(s, 100); got != 100 {
		t.Fatalf("lookups after a restart, in a room that was busy before it: got %d, want 100", got)
	}
	now.move(bw.DedupeWindow)
	if got := send(s, 100); got != 0 {
		t.Fatalf("lookups a window after the start: got %d, want 0", got)
	}
	s.close()

	now.move(bw.DedupeWindow + time.Millisecond)
	s = open(t, membroker.Config{Now: now.Now}, log)
	if got := send(s, 100); got != 0 {
		t.Fatalf("lookups after a restart, in a room that was silent for a window: got %d, want 0", got)
	}
}

func TestTimestampsDoNotFollowTheClockBack(t *testing.T) {
	now, log := newClock(), newFakeLog()
	start := bw.MillisOf(now.Now())
	s := open(t, membroker.Config{Now: now.Now}, log)
	stamp := func(id bw.MessageID, seq bw.Seq, want bw.Millis) {
		t.Helper()
		if got := s.want(id, "text", "", seq, false).Timestamp; got != want {
			t.Fatalf("timestamp of %q: got %d, want %d", id, got, want)
		}
	}
	stamp("a", 1, start)
	now.move(-time.Hour)
	stamp("b", 2, start)
	s.want("a", "text", "", 1, true)
	s.close()

	// Nor after a restart, nor after a failure that made the broker read the log.
	s = open(t, membroker.Config{Now: now.Now}, log)
	stamp("c", 3, start)
	log.setFaults(once(failButStored), nil)
	s.want("d", "text", bw.Unavailable, 0, false)
	stamp("e", 5, start)
	now.move(time.Hour + time.Second)
	stamp("f", 6, start+1000)
}
