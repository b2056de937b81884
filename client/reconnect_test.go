package client

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

func TestTheFirstConnectionNamesRoomUserAndToken(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Join(7)
		p := w.peer()
		if p.url != "/v1/chatrooms/7/join?user=Ann" || p.auth != "Bearer token-1" {
			t.Errorf("got %q with %q, want the join of room 7 by Ann with token-1", p.url, p.auth)
		}
	})
}

func TestFullJitterReachesOverAllOfItsRange(t *testing.T) {
	for attempt := range 100 {
		limit := backoffCap
		if attempt < 6 {
			limit = backoffBase << attempt
		}
		for _, r := range []float64{0, 0.25, 0.999} {
			if got, want := fullJitter(attempt, func() float64 { return r }), time.Duration(r*float64(limit)); got != want {
				t.Errorf("attempt %d at %v: got %v, want %v", attempt, r, got, want)
			}
		}
	}
}

func TestALostConnectionWaitsLongerEachTime(t *testing.T) {
	inWorld(t, func(w *world) {
		w.startJoined()
		var waits []time.Duration
		for n := 2; n < 10; n++ {
			w.peer().drop()
			s := w.wantState(Waiting, "network")
			waits = append(waits, time.Until(s.RetryAt))
			w.await(n)
		}
		if want := milliseconds(250, 500, 1000, 2000, 4000, 8000, 15000, 15000); !slices.Equal(waits, want) {
			t.Errorf("got %v, want %v", waits, want)
		}
		w.peer().say(joined(1, 0, true))
		pass(stable)
		w.peer().drop()
		if s := w.wantState(Waiting, "network"); time.Until(s.RetryAt) != 250*time.Millisecond {
			t.Errorf("got %v after a connection that lasted, want 250ms", time.Until(s.RetryAt))
		}
	})
}

func TestEveryCloseCodeHasItsAnswer(t *testing.T) {
	for code, want := range map[wire.CloseCode]struct {
		phase  Phase
		reason string
		wait   time.Duration // with the random number 0.5, the second time without a lasting connection
	}{
		1001:                      {Waiting, "network", time.Second},
		1002:                      {Ended, "protocol_error", 0},
		1003:                      {Ended, "protocol_error", 0},
		1007:                      {Ended, "protocol_error", 0},
		1009:                      {Ended, "frame_too_big", 0},
		1011:                      {Waiting, "network", time.Second},
		wire.CloseMalformedFrames: {Ended, "protocol_error", 0},
		wire.CloseFrameTooBig:     {Ended, "frame_too_big", 0},
		wire.CloseRoomDeleted:     {Ended, "room_deleted", 0},
		4099:                      {Ended, "close_4099", 0},
		wire.CloseTokenExpired:    {Waiting, "token_expired", time.Second},
		wire.CloseUnauthorized:    {Waiting, "unauthorized", time.Second},
		wire.CloseSlowConsumer:    {Waiting, "slow_consumer", time.Second},
		wire.CloseOverloaded:      {Waiting, "overloaded", time.Second},
		wire.CloseRateLimited:     {Waiting, "rate_limited", time.Second},
		4199:                      {Waiting, "close_4199", time.Second},
		wire.CloseDraining:        {Waiting, "draining", time.Second},
		wire.CloseFenced:          {Waiting, "fenced", time.Second},
		wire.CloseResync:          {Waiting, "resync", time.Second},
		4999:                      {Waiting, "close_4999", time.Second},
	} {
		t.Run(code.String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.startJoined().drop()
				w.await(2)
				w.peer().drop() // the second attempt: at once and backoff differ no more
				w.await(3)
				w.peer().say(joined(1, 0, true))
				w.peer().close(code)
				s := w.wantState(want.phase, want.reason)
				if want.phase == Ended {
					if s.Err == nil {
						t.Error("got no error, want one that says why")
					}
					pass(time.Hour)
					if w.count() != 3 {
						t.Errorf("got %d connections, want none after the end", w.count())
					}
				} else if wait := time.Until(s.RetryAt); wait != want.wait {
					t.Errorf("got a wait of %v, want %v", wait, want.wait)
				}
			})
		})
	}
}

func TestTheClass42IsAtOnceWithinASecondThenBackoff(t *testing.T) {
	for _, code := range []wire.CloseCode{wire.CloseDraining, wire.CloseFenced, wire.CloseResync} {
		t.Run(code.String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.random = 0.9
				p := w.startJoined()
				for n, want := range milliseconds(900, 900, 1800, 3600) {
					p.close(code)
					if s := w.State(); time.Until(s.RetryAt) != want {
						t.Fatalf("close %d: got a wait of %v, want %v", n, time.Until(s.RetryAt), want)
					}
					w.await(n + 2)
					p = w.peer()
				}
			})
		})
	}
}

func TestARefusedTokenIsReplacedOnce(t *testing.T) {
	for _, code := range []wire.CloseCode{wire.CloseUnauthorized, wire.CloseTokenExpired} {
		t.Run(code.String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.startJoined().close(code)
				w.await(2)
				if !slices.Equal(w.tokens, []string{"", "token-1"}) || w.peer().auth != "Bearer token-2" {
					t.Errorf("got the tokens rejected %q and then %q, want token-1 to be rejected and token-2", w.tokens, w.peer().auth)
				}
				w.peer().close(wire.CloseUnauthorized)
				if s := w.wantState(Ended, "unauthorized"); bw.KindOf(s.Err) != bw.Unauthorized {
					t.Errorf("got %v, want %s", s.Err, bw.Unauthorized)
				}
			})
		})
		t.Run(code.String()+" with a token that never changes", func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.startJoined().close(code)
				pass(time.Hour)
				w.wantState(Ended, "unauthorized")
				if w.count() != 1 {
					t.Errorf("got %d connections, want no second one with the same token", w.count())
				}
			}, func(c *Config) { c.Token = StaticToken("same") })
		})
	}
}

func TestShortTokensAreReplacedAgainAndAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		for n := 2; n < 12; n++ {
			pass(stable)
			p.close(wire.CloseTokenExpired)
			w.await(n)
			p = w.peer()
		}
		w.wantState(Live, "connected")
	})
}

func TestATokenSourceThatFailsForAWhileIsAskedAgain(t *testing.T) {
	calls := 0
	inWorld(t, func(w *world) {
		w.Join(1)
		pass(time.Minute)
		w.wantState(Live, "connected")
	}, func(c *Config) {
		c.Token = func(context.Context, string) (string, error) {
			if calls++; calls < 4 {
				return "", &bw.Error{Kind: bw.Overloaded, RetryAfter: 2 * time.Second}
			}
			return "good", nil
		}
	})
}

func TestHandshakesThatAreRefused(t *testing.T) {
	t.Run("401 is tried with a fresh token, once", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.refuseWith(status(http.StatusUnauthorized, bw.Unauthorized, ""))
			w.Join(1)
			pass(time.Hour)
			w.wantState(Ended, "unauthorized")
			if want := []string{"", "token-1"}; !slices.Equal(w.tokens, want) || w.count() != 2 {
				t.Errorf("got %q in %d attempts, want %q", w.tokens, w.count(), want)
			}
		})
	})
	for name, c := range map[string]struct {
		status int
		kind   bw.Kind
	}{
		"403": {http.StatusForbidden, bw.NotYourName},
		"426": {http.StatusUpgradeRequired, bw.UpgradeRequired},
		"404": {http.StatusNotFound, bw.NotFound},
	} {
		t.Run(name+" ends", func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.refuseWith(status(c.status, c.kind, ""))
				w.Join(1)
				pass(time.Hour)
				if s := w.wantState(Ended, string(c.kind)); bw.KindOf(s.Err) != c.kind || w.count() != 1 {
					t.Errorf("got %v after %d attempts, want %s after one", s.Err, w.count(), c.kind)
				}
			})
		})
	}
	t.Run("404 of a room leaves the others", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.refuseWith(func(r *http.Request) *http.Response {
				if strings.Contains(r.URL.Path, "/1/") {
					return status(http.StatusNotFound, bw.NoSuchRoom, "")(r)
				}
				return nil
			})
			w.Join(1)
			w.Join(2)
			w.await(2)
			if gone := told[Gone](w); len(gone) != 1 || gone[0].Room != 1 || bw.KindOf(gone[0].Err) != bw.NoSuchRoom {
				t.Errorf("got %+v, want room 1 gone", gone)
			}
			if got := w.peer().url; !strings.HasPrefix(got, "/v1/chatrooms/2/") {
				t.Errorf("got %s, want room 2", got)
			}
		})
	})
	for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		for _, random := range []float64{0, 0.5, 0.99} {
			t.Run(http.StatusText(code), func(t *testing.T) {
				inWorld(t, func(w *world) {
					w.random = random
					w.refuseWith(status(code, bw.Overloaded, "7"))
					w.Join(1)
					for n := 1; n < 4; n++ {
						s := w.wantState(Waiting, "busy")
						if wait := time.Until(s.RetryAt); wait < 7*time.Second || wait > 7*time.Second+backoffBase {
							t.Fatalf("got a wait of %v after attempt %d, want 7s and a little", wait, n)
						}
						if took := w.await(n + 1); took < 7*time.Second {
							t.Fatalf("got the next attempt after %v, want not before 7s", took)
						}
					}
				})
			})
		}
	}
	t.Run("500 backs off", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.refuseWith(status(http.StatusInternalServerError, bw.Internal, ""))
			w.Join(1)
			w.await(3)
			w.wantState(Waiting, "unreachable")
		})
	})
}

func TestAFirstJoinThatFailsKeepsTheRetryOfItsError(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Join(1)
		w.peer().say([]byte(`{"type":"error","code":"unavailable","detail":"no","retry_after_ms":5000}`))
		w.peer().close(wire.CloseOverloaded)
		if s := w.wantState(Waiting, "overloaded"); time.Until(s.RetryAt) < 5*time.Second {
			t.Errorf("got a wait of %v, want at least 5s", time.Until(s.RetryAt))
		}
	})
}

func TestEveryRoomIsResumedFromWhereItWas(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		w.Join(2)
		join := p.last(wire.TypeJoin)
		if join.Room != 2 || join.Since != nil {
			t.Fatalf("got %+v, want a fresh join of room 2", join)
		}
		p.say(joinedAs(join.ID, 2, bw.Position{Epoch: 9, Seq: 40}, false))
		p.say(live(1, 1))
		m := message(2, 41)
		m.Epoch = 9
		p.say(wire.AppendMessage(nil, &m))
		p.drop()
		w.await(2)
		if got := w.peer().url; got != "/v1/chatrooms/1/join?epoch=1&since=1&user=Ann" {
			t.Errorf("got %s, want a resume from (1, 1)", got)
		}
		if got := w.peer().last(wire.TypeJoin); got.Since == nil || *got.Since != (bw.Position{Epoch: 9, Seq: 41}) {
			t.Errorf("got %+v, want a resume from (9, 41)", got)
		}
	})
}

func TestAServerThatSaysNothingIsLost(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		for range 4 {
			pass(25 * time.Second)
			p.raw(ping("still here?"))
		}
		synctest.Wait()
		if p.pongs != 4 {
			t.Errorf("got %d pongs, want 4", p.pongs)
		}
		w.wantState(Live, "connected")
		pass(59 * time.Second)
		w.wantState(Live, "connected")
		if took := w.await(2); took > 10*time.Second {
			t.Errorf("got the next connection after 59s and %v, want it soon after 60s", took)
		}
	})
}

func TestAHandshakeOrJoinThatNeverEndsIsGivenUp(t *testing.T) {
	t.Run("handshake", func(t *testing.T) {
		stuck := make(chan struct{})
		inWorld(t, func(w *world) {
			w.refuseWith(func(*http.Request) *http.Response { <-stuck; return nil })
			w.Join(1)
			pass(handshakeTimeout)
			w.wantState(Waiting, "unreachable")
			w.refuseWith(nil)
			close(stuck)
			pass(time.Second)
			w.wantState(Live, "connected")
		}, func(*Config) { stuck = make(chan struct{}) })
	})
	t.Run("join", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.Join(1)
			pass(answerTimeout)
			w.wantState(Waiting, "network")
		})
	})
}

func TestWithoutARoomThereIsNoConnection(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		w.Leave(1)
		if code, ended := p.closedWith(); code != wire.CloseNormal || !ended {
			t.Errorf("got close code %d (ended: %t), want 1000", code, ended)
		}
		w.wantState(Idle, "no_room")
		w.Join(2)
		w.peer().say(joined(2, 0, false))
		w.wantState(Live, "connected")
		w.Join(3)
		w.Leave(2)
		if leave := w.peer().last(wire.TypeLeave); leave.Room != 2 {
			t.Errorf("got %+v, want room 2 to be left", leave)
		}
	})
}

func TestAJoinRefusedForAWhileIsTriedAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		w.Join(2)
		p.say(refuse(p.last(wire.TypeJoin).ID, bw.Unavailable, 2*time.Second))
		pass(1900 * time.Millisecond)
		if n := len(p.got(wire.TypeJoin)); n != 1 {
			t.Errorf("got %d joins before the time, want 1", n)
		}
		pass(time.Second)
		p.say(refuse(p.last(wire.TypeJoin).ID, bw.NoSuchRoom, 0))
		if gone := told[Gone](w); len(p.got(wire.TypeJoin)) != 2 || len(gone) != 1 || gone[0].Room != 2 {
			t.Errorf("got %d joins and %+v, want a second join and then room 2 gone", len(p.got(wire.TypeJoin)), gone)
		}
		w.wantState(Live, "connected")
	})
}

func TestTheApplicationIsToldOfEveryState(t *testing.T) {
	inWorld(t, func(w *world) {
		w.startJoined().drop()
		w.await(2)
		w.Close()
		var got []Phase
		for _, s := range told[State](w) {
			got = append(got, s.Phase)
		}
		if want := []Phase{Connecting, Live, Waiting, Connecting, Live}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if _, ended := w.peer().closedWith(); !ended || w.Err() == nil {
			t.Errorf("got a connection that ended: %t, and the error %v, want both", ended, w.Err())
		}
	})
}
