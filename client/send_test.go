package client

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

func ids(frames []wire.ClientFrame) (ids []string) {
	for _, f := range frames {
		ids = append(ids, f.ID)
	}
	return ids
}

func TestASendReturnsWithItsAck(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		answers := make(chan Ack, 1)
		go func() {
			a, err := w.Send(w.Context(), 1, "hello")
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
		f := p.last(wire.TypeSend)
		if f.Text != "hello" || f.Room != 1 || len(f.ID) < 16 {
			t.Errorf("got %+v, want the text under an id that nobody else draws", f)
		}
		p.say(ack(f, 7, false))
		if a := <-answers; a.Seq != 7 || a.Epoch != 1 || a.Timestamp != 7 || a.Duplicate {
			t.Errorf("got %+v, want what the server said", a)
		}
	})
}

func TestWhatHasNoAckIsSentAgainWithTheSameID(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		first, second := w.post(1, "a", "first"), w.post(1, "b", "second")
		if got := ids(p.got(wire.TypeSend)); !slices.Equal(got, []string{"a"}) {
			t.Errorf("got %v sent, want one in flight", got)
		}
		p.drop()
		third := w.post(1, "c", "third")
		w.await(2)
		p = w.peer()
		p.say(joined(1, 0, true))
		for seq, s := range []*sent{first, second, third} {
			s.waits()
			p.say(ack(p.last(wire.TypeSend), bw.Seq(seq)+1, seq == 0))
			s.stored(bw.Seq(seq) + 1)
		}
		if got := ids(p.got(wire.TypeSend)); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("got %v, want a, b and c in their order", got)
		}
	})
}

func TestAMessageThatIsSeenIsStored(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		s := w.post(1, "a", "hello")
		p.drop()
		w.await(2)
		own := message(1, 1)
		own.ID, own.User, own.Text = "a", "Ann", "hello"
		w.peer().say(joined(1, 1, true, own))
		s.stored(1)
		if n := len(w.peer().got(wire.TypeSend)); n != 0 {
			t.Errorf("got it sent %d times more, want never", n)
		}
		w.peer().say(ack(wire.ClientFrame{ID: "a", Room: 1}, 1, true)) // a late one harms nobody
		synctest.Wait()
	})
}

func TestARefusalForAWhileIsRetriedWithGrowingJitter(t *testing.T) {
	for _, kind := range []bw.Kind{bw.Unavailable, bw.RateLimited, bw.Overloaded} {
		t.Run(string(kind), func(t *testing.T) {
			inWorld(t, func(w *world) {
				p := w.startJoined()
				s := w.post(1, "a", "hello")
				var waits []time.Duration
				for n := 1; n < 6; n++ {
					p.say(refuse("a", kind, time.Second))
					began := time.Now()
					for len(p.got(wire.TypeSend)) == n {
						<-time.After(time.Millisecond)
					}
					waits = append(waits, time.Since(began).Round(10*time.Millisecond))
				}
				if want := milliseconds(1250, 1500, 2000, 3000, 5000); !slices.Equal(waits, want) {
					t.Errorf("got waits of %v, want %v", waits, want)
				}
				p.say(ack(p.last(wire.TypeSend), 1, false))
				s.stored(1)
			})
		})
	}
}

func TestAServerThatNamesNoTimeIsNotAskedInALoop(t *testing.T) {
	inWorld(t, func(w *world) {
		w.random = 0 // the least jitter there is
		p := w.startJoined()
		w.post(1, "a", "hello")
		for range 100 {
			p.say(refuse("a", bw.Unavailable, 0))
			pass(100 * time.Millisecond)
		}
		if n := len(p.got(wire.TypeSend)); n > 40 {
			t.Errorf("got %d tries in 10s, want at most four a second", n)
		}
	})
}

func TestOtherRefusalsFailAtOnce(t *testing.T) {
	for _, kind := range []bw.Kind{bw.IDConflict, bw.TextTooLong, bw.EmptyText, bw.UnknownField, "of_tomorrow"} {
		t.Run(string(kind), func(t *testing.T) {
			inWorld(t, func(w *world) {
				p := w.startJoined()
				bad, good := w.post(1, "a", "bad"), w.post(1, "b", "good")
				p.say(refuse("a", kind, 0))
				bad.failed(&bw.Error{Kind: kind})
				p.say(ack(p.last(wire.TypeSend), 1, false))
				good.stored(1)
			})
		})
	}
}

func TestWhatCannotBeSentIsRefusedHere(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		for name, c := range map[string]struct {
			room     bw.RoomID
			id, text string
			want     error
		}{
			"empty":         {1, "", " \n", &bw.Error{Kind: bw.EmptyText}},
			"long":          {1, "", strings.Repeat("é", 2049), &bw.Error{Kind: bw.TextTooLong}},
			"long escapes":  {1, "", "x" + strings.Repeat("\x01", 4000), ErrFrameTooBig},
			"a long id":     {1, strings.Repeat("x", 65), "x", &bw.Error{Kind: bw.InvalidID}},
			"an id of ours": {1, "~1", "x", &bw.Error{Kind: bw.InvalidID}},
			"another room":  {2, "", "x", &bw.Error{Kind: bw.NotInRoom}},
		} {
			err := w.Post(c.room, c.id, c.text, func(Ack, error) { t.Errorf("%s: got an answer, want none", name) })
			if kind := bw.KindOf(c.want); kind != bw.Internal && bw.KindOf(err) != kind || kind == bw.Internal && !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", name, err, c.want)
			}
		}
		if n := len(p.got(wire.TypeSend)); n != 0 {
			t.Errorf("got %d frames, want none", n)
		}
	})
}

func TestTheOutboxIsBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		w.post(1, "a", "x")
		w.post(1, "b", "x")
		if err := w.Post(1, "b", "x", nil); bw.KindOf(err) != bw.IDConflict {
			t.Errorf("got %v, want %s for an id that waits", err, bw.IDConflict)
		}
		if err := w.Post(1, "c", "x", nil); !errors.Is(err, ErrOutboxFull) {
			t.Errorf("got %v, want %v", err, ErrOutboxFull)
		}
		p.say(ack(p.last(wire.TypeSend), 1, false))
		synctest.Wait()
		w.post(1, "c", "x")
	}, func(c *Config) { c.MaxPending = 2 })
}

func TestMoreThanOneMayBeInFlight(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		for _, id := range []string{"a", "b", "c", "d"} {
			w.post(1, id, "x")
		}
		if got := ids(p.got(wire.TypeSend)); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("got %v, want three in flight", got)
		}
	}, func(c *Config) { c.MaxInFlight = 3 })
}

func TestWhatTheServerMayHaveForgottenIsNotSentAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		tried := w.post(1, "a", "tried")
		never := w.post(1, "b", "never tried")
		p.drop()
		w.refuseWith(status(503, bw.Unavailable, "30"))
		pass(6 * time.Minute)
		tried.failed(ErrUnconfirmed)
		never.waits()
		w.refuseWith(nil)
		for w.State().Phase != Live {
			pass(time.Second)
		}
		p = w.peer()
		p.say(joined(1, 0, true))
		if got := ids(p.got(wire.TypeSend)); !slices.Equal(got, []string{"b"}) {
			t.Errorf("got %v sent, want only what was never tried", got)
		}
	})
}

func TestAMachineThatSleptSendsNothingTwice(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		tried := w.post(1, "a", "tried")
		synctest.Wait()
		w.Client.mu.Lock()
		// As after a sleep: the wall clock has moved, timers have not.
		w.sends["a"].tried = w.sends["a"].tried.Round(0).Add(-trusted)
		w.Client.mu.Unlock()
		p.say(refuse("a", bw.NotInRoom, 0))
		p.say(joinedAs(p.last(wire.TypeJoin).ID, 1, bw.Position{Epoch: 1, Seq: 0}, true))
		tried.failed(ErrUnconfirmed)
		if n := len(p.got(wire.TypeSend)); n != 1 {
			t.Errorf("got %d sends, want only the first", n)
		}
	})
}

func TestTheEndOfAnEpochEndsTheMemoryOfIDs(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		lost, stored := w.post(1, "a", "lost"), w.post(1, "b", "stored")
		p.drop()
		w.await(2)
		own := bw.Message{Room: 1, Epoch: 2, Seq: 1001, ID: "b", User: "Ann", Text: "stored"}
		first := message(1, 1000)
		first.Epoch = 2
		p = w.peer()
		p.say(joinedAs("", 1, own.Position(), false, first, own))
		lost.waits() // it may be in the history
		p.say(page(p.last(wire.TypeHistory), first, own))
		lost.failed(ErrUnconfirmed)
		stored.stored(1001)
		if n := len(p.got(wire.TypeSend)); n != 0 {
			t.Errorf("got %d sends, want none", n)
		}
	}, func(c *Config) { c.MaxInFlight = 2 })
}

func TestASendThatIsGivenUpSaysWhatIsKnown(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		errs := make(chan error, 2)
		for _, patience := range []time.Duration{time.Second, time.Second / 2} {
			ctx, cancel := context.WithTimeout(w.Context(), patience)
			defer cancel()
			go func() {
				_, err := w.Send(ctx, 1, "hello")
				errs <- err
			}()
			synctest.Wait()
		}
		pass(time.Second)
		unconfirmed := 0
		for range 2 {
			err := <-errs
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the context's end", err)
			}
			if errors.Is(err, ErrUnconfirmed) {
				unconfirmed++
			}
		}
		if unconfirmed != 1 {
			t.Errorf("got %d of two unconfirmed, want the one that was sent", unconfirmed)
		}
		if n := len(p.got(wire.TypeSend)); n != 1 {
			t.Errorf("got %d sent, want the second one not to be", n)
		}
	})
}

func TestAFrameThatWasTooBigIsTakenOut(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		big := w.post(1, "a", strings.Repeat("x", 4000))
		small := w.post(1, "b", "x")
		p.close(wire.CloseMessageTooBig)
		big.failed(ErrFrameTooBig)
		w.await(2)
		p = w.peer()
		p.say(joined(1, 0, true))
		p.say(ack(p.last(wire.TypeSend), 1, false))
		small.stored(1)
	})
}

func TestNotInRoomJoinsAgainAndThenSends(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		s := w.post(1, "a", "x")
		p.say(refuse("a", bw.NotInRoom, 0))
		join := p.last(wire.TypeJoin)
		if join.Since == nil || *join.Since != (bw.Position{Epoch: 1, Seq: 0}) {
			t.Fatalf("got %+v, want a resume", join)
		}
		p.say(joinedAs(join.ID, 1, bw.Position{Epoch: 1, Seq: 0}, true))
		p.say(ack(p.last(wire.TypeSend), 1, false))
		s.stored(1)
		if got := ids(p.got(wire.TypeSend)); !slices.Equal(got, []string{"a", "a"}) {
			t.Errorf("got %v, want the same id twice", got)
		}
	})
}

func TestASendWithoutAnAnswerMeansThatTheConnectionIsDead(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		w.post(1, "a", "x")
		pass(answerTimeout)
		w.wantState(Waiting, "network")
		w.await(2)
		w.peer().say(joined(1, 0, true))
		if f := w.peer().last(wire.TypeSend); f.ID != "a" || w.peer() == p {
			t.Errorf("got %+v, want the same send on another connection", f)
		}
	})
}

func TestLeaveAndCloseAnswerWhatWaits(t *testing.T) {
	inWorld(t, func(w *world) {
		w.startJoined()
		tried, waiting := w.post(1, "a", "x"), w.post(1, "b", "x")
		w.Leave(1)
		tried.failed(ErrUnconfirmed)
		waiting.failed(&bw.Error{Kind: bw.NotInRoom})
		w.Join(2)
		late := w.post(2, "c", "x")
		w.Close()
		late.failed(ErrClosed)
		if err := w.Post(2, "d", "x", nil); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want %v", err, ErrClosed)
		}
		w.Close() // a second time changes nothing
	})
}

func TestHistoryIsAPageOfTheRoom(t *testing.T) {
	inWorld(t, func(w *world) {
		if _, _, err := w.History(w.Context(), 1, Page{}); !errors.Is(err, ErrDisconnected) {
			t.Errorf("got %v, want %v", err, ErrDisconnected)
		}
		p := w.startJoined()
		go func() {
			f := p.last(wire.TypeHistory)
			p.say(wire.AppendHistory(nil, f.ID, 1, messages(1, 2), 9))
		}()
		after := bw.Seq(0)
		got, next, err := w.History(w.Context(), 1, Page{After: &after, Limit: 2})
		if err != nil || len(got) != 2 || next != 9 {
			t.Errorf("got %v, %d, %v, want two messages and 9", got, next, err)
		}
		if f := p.last(wire.TypeHistory); f.After != wire.FromStart || f.Limit != 2 {
			t.Errorf("got %+v, want after 0", f)
		}
		go func() { synctest.Wait(); _ = p.conn.Close() }()
		if _, _, err := w.History(w.Context(), 1, Page{}); !errors.Is(err, ErrDisconnected) {
			t.Errorf("got %v, want %v", err, ErrDisconnected)
		}
	})
}
