package client

import (
	"net/http"
	"slices"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

func drainFrame(within time.Duration) []byte { return wire.AppendDrain(nil, within) }

func TestADrainIsFollowedWithoutBeingSeenToLeave(t *testing.T) {
	inWorld(t, func(w *world) {
		w.random = 0.25
		old := w.startJoined()
		w.Join(2)
		old.say(joinedAs(old.last(wire.TypeJoin).ID, 2, bw.Position{Epoch: 1, Seq: 0}, false))
		old.say(drainFrame(8 * time.Second))
		pass(1999 * time.Millisecond)
		if w.count() != 1 {
			t.Fatal("got a second connection before the moment that was drawn")
		}
		pass(time.Millisecond)
		if w.count() != 2 {
			t.Fatal("got no second connection at the moment that was drawn")
		}
		fresh := w.peer()
		old.say(live(1, 1))
		fresh.say(joined(1, 1, true, message(1, 1)))
		// Room 2 is joined by the old connection alone: it must not end yet.
		old.say(live(1, 2))
		fresh.say(live(1, 2))
		fresh.say(live(1, 3))
		old.say(live(1, 3))
		if _, ended := old.closedWith(); ended {
			t.Fatal("got the old connection closed before the new one was in every room")
		}
		mine := w.post(2, "mine", "between two servers")
		if len(old.got(wire.TypeSend)) != 1 {
			t.Error("got nothing sent, want the old connection to serve until the switch")
		}
		fresh.say(joinedAs(fresh.last(wire.TypeJoin).ID, 2, bw.Position{Epoch: 1, Seq: 0}, true))
		if code, ended := old.closedWith(); !ended || code != wire.CloseNormal {
			t.Errorf("got the old connection ended: %t with %d, want 1000", ended, code)
		}
		again := fresh.last(wire.TypeSend)
		if again.ID != "mine" {
			t.Fatalf("got %+v, want what had no ack again", again)
		}
		fresh.say(ack(again, 1, true))
		mine.stored(1)
		if got := w.seqs(1); !slices.Equal(got, []bw.Seq{1, 2, 3}) {
			t.Errorf("got %v, want 1, 2 and 3, each once", got)
		}
		for _, s := range told[State](w) {
			if s.Phase == Waiting {
				t.Error("got a state of waiting, want the switch to go unseen")
			}
		}
	})
}

func TestADrainWithNowhereToGoStaysUntilTheEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		old := w.startJoined()
		w.refuseWith(status(http.StatusServiceUnavailable, bw.Draining, "3"))
		old.say(drainFrame(4 * time.Second))
		pass(2 * time.Second)
		if w.count() != 2 {
			t.Fatalf("got %d connections, want one that was refused", w.count())
		}
		old.say(live(1, 1))
		if got := w.seqs(1); len(got) != 1 {
			t.Errorf("got %v, want the old connection to serve on", got)
		}
		refused := time.Now()
		pass(2 * time.Second)
		old.close(wire.CloseDraining)
		w.refuseWith(nil)
		w.await(3)
		if took := time.Since(refused); took < 3*time.Second {
			t.Errorf("got the next attempt %v after Retry-After: 3", took)
		}
		if got := w.peer().url; got != "/v1/chatrooms/1/join?epoch=1&since=1&user=Ann" {
			t.Errorf("got %s, want a resume from (1, 1)", got)
		}
	})
}

func TestAServerThatClosesBeforeTheDrawnMomentIsLeftWithinTheWindow(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		p.say(drainFrame(8 * time.Second))
		pass(2 * time.Second)
		p.close(wire.CloseDraining)
		if s := w.wantState(Waiting, "draining"); time.Until(s.RetryAt) != 3*time.Second {
			t.Errorf("got a wait of %v, want half of the 6s that are left", time.Until(s.RetryAt))
		}
	})
}

func TestTheOldConnectionMayDieDuringTheSwitch(t *testing.T) {
	inWorld(t, func(w *world) {
		old := w.startJoined()
		old.say(drainFrame(time.Second))
		w.await(2)
		mine := w.post(1, "mine", "hello")
		old.drop()
		w.wantState(Live, "connected")
		fresh := w.peer()
		fresh.say(joined(1, 0, true))
		fresh.say(ack(fresh.last(wire.TypeSend), 1, false))
		mine.stored(1)
	})
}

func TestANewConnectionThatDiesDuringTheSwitchIsReplaced(t *testing.T) {
	inWorld(t, func(w *world) {
		old := w.startJoined()
		old.say(drainFrame(time.Second))
		w.await(2)
		w.peer().drop()
		w.await(3)
		w.peer().say(joined(1, 0, true))
		if _, ended := old.closedWith(); !ended {
			t.Error("got the old connection open, want the third to take over")
		}
	})
}
