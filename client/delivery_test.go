package client

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// until is 1 to n.
func until(n bw.Seq) (all []bw.Seq) {
	for seq := bw.Seq(1); seq <= n; seq++ {
		all = append(all, seq)
	}
	return all
}

func page(f wire.ClientFrame, messages ...bw.Message) []byte {
	return wire.AppendHistory(nil, f.ID, f.Room, messages, 0)
}

func (w *world) wantSeqs(want []bw.Seq) {
	w.Helper()
	if got := w.seqs(1); !slices.Equal(got, want) {
		w.Errorf("got %v, want %v", got, want)
	}
}

func (w *world) wantMissing(want ...Missing) {
	w.Helper()
	if got := told[Missing](w); !slices.Equal(got, want) {
		w.Errorf("got %+v, want %+v", got, want)
	}
}

func TestEachMessageComesOnceAndInOrder(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Join(1)
		p := w.peer()
		p.say(joined(1, 2, false, messages(1, 2)...))
		p.say(live(1, 3))
		p.say(live(1, 3))
		p.say(live(1, 2))
		p.drop()
		w.await(2)
		w.peer().say(joined(1, 5, true, messages(2, 5)...))
		w.peer().say(live(1, 6))
		w.wantSeqs(until(6))
		w.wantMissing()
		var replays []bool
		for _, m := range told[Message](w) {
			replays = append(replays, m.Replay)
		}
		if want := []bool{true, true, false, true, true, false}; !slices.Equal(replays, want) {
			t.Errorf("got replayed %v, want %v", replays, want)
		}
	})
}

func TestAHoleIsFetchedBeforeWhatComesBehindIt(t *testing.T) {
	for name, hole := range map[string][]byte{
		"a gap frame":    wire.AppendGap(nil, 1, 1, 1, 3),
		"a seq left out": live(1, 4),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				p := w.startJoined()
				p.say(hole)
				p.say(live(1, 4))
				p.say(live(1, 5))
				ask := p.last(wire.TypeHistory)
				if ask.After != wire.FromStart || ask.Limit != wire.MaxPage {
					t.Errorf("got %+v, want all after 0", ask)
				}
				w.wantSeqs(nil)
				p.say(page(ask, messages(1, 2)...))
				p.say(page(p.last(wire.TypeHistory), messages(3, 4)...))
				w.wantSeqs(until(5))
				w.wantMissing()
				p.say(live(1, 6))
				w.wantSeqs(until(6))
			})
		})
	}
}

func TestAHoleThatCannotBeFetchedIsTold(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		p.say(live(1, 1))
		p.say(wire.AppendGap(nil, 1, 1, 2, 4))
		p.say(live(1, 5))
		for n := 1; n <= maxFetches+1; n++ {
			for len(p.got(wire.TypeHistory)) < n {
				pass(10 * time.Millisecond)
			}
			p.say(refuse(p.last(wire.TypeHistory).ID, bw.Unavailable, 100*time.Millisecond))
		}
		w.wantMissing(Missing{Room: 1, Epoch: 1, From: 2, To: 4})
		w.wantSeqs([]bw.Seq{1, 5})
		if n := len(p.got(wire.TypeHistory)); n != maxFetches+1 {
			t.Errorf("got %d pages asked for, want %d", n, maxFetches+1)
		}
	})
}

func TestWhoFetchesHimselfIsToldOfEveryHole(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		p.say(wire.AppendGap(nil, 1, 1, 1, 3))
		p.say(live(1, 4))
		p.say(live(1, 7))
		p.drop()
		w.await(2)
		w.peer().say(joined(1, 600, false, messages(551, 600)...))
		w.wantMissing(Missing{1, 1, 1, 3}, Missing{1, 1, 5, 6}, Missing{1, 1, 8, 550})
		if n := len(p.got(wire.TypeHistory)); n != 0 {
			t.Errorf("got %d pages asked for, want none", n)
		}
		if got := w.seqs(1); len(got) != 52 || got[2] != 551 {
			t.Errorf("got %v, want 4, 7 and 551 to 600", got)
		}
	}, func(c *Config) { c.NoFetch = true })
}

func TestWhatWasMissedInALongAbsenceIsFetched(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		p.say(live(1, 1))
		p.drop()
		w.await(2)
		p = w.peer()
		p.say(joined(1, 600, false, messages(551, 600)...))
		p.say(live(1, 601))
		if got := told[Joined](w); len(got) != 2 || got[1].Recovered {
			t.Errorf("got %+v, want the second join not recovered", got)
		}
		w.wantSeqs(until(1))
		p.say(page(p.last(wire.TypeHistory), messages(2, 501)...))
		ask := p.last(wire.TypeHistory)
		if ask.After != 501 {
			t.Fatalf("got %+v, want what is after 501", ask)
		}
		p.say(page(ask, messages(502, 600)...))
		w.wantSeqs(until(601))
		w.wantMissing()
	})
}

func TestANewEpochIsTold(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		p.say(live(1, 1))
		p.drop()
		w.await(2)
		p = w.peer()
		renewed := message(1, 1000)
		renewed.Epoch = 2
		p.say(joinedAs("", 1, renewed.Position(), false, renewed))
		p.say(page(p.last(wire.TypeHistory), message(1, 2), renewed))
		w.wantSeqs([]bw.Seq{1, 2, 1000})
		want := []Reset{{Room: 1, From: bw.Position{Epoch: 1, Seq: 2}, To: bw.Position{Epoch: 2, Seq: 1000}}}
		if got := told[Reset](w); !slices.Equal(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		w.wantMissing()
	})
}

func TestARoomThatWasTakenBackBeginsAnew(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		for seq := bw.Seq(1); seq <= 9; seq++ {
			p.say(live(1, seq))
		}
		p.drop()
		w.await(2)
		w.peer().say(joined(1, 5, false, messages(4, 5)...))
		w.peer().say(live(1, 6))
		if got := w.seqs(1); !slices.Equal(got[9:], []bw.Seq{4, 5, 6}) {
			t.Errorf("got %v after the reset, want 4, 5 and 6", got[9:])
		}
		if got := told[Reset](w); len(got) != 1 || got[0].From.Seq != 9 || got[0].To.Seq != 4 {
			t.Errorf("got %+v, want one from 9 to 4", got)
		}
	})
}

func TestJoinSinceGoesOnWhereAnotherLifeStopped(t *testing.T) {
	inWorld(t, func(w *world) {
		w.JoinSince(1, bw.Position{Epoch: 1, Seq: 3})
		p := w.peer()
		if p.url != "/v1/chatrooms/1/join?epoch=1&since=3&user=Ann" {
			t.Errorf("got %s, want a resume", p.url)
		}
		p.say(joined(1, 5, true, messages(4, 5)...))
		w.wantSeqs([]bw.Seq{4, 5})
	})
}

func TestMessagesBehindAHoleAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		for seq := bw.Seq(2); seq <= 3*maxHeld; seq++ {
			p.say(live(1, seq))
		}
		synctest.Wait()
		if n := len(w.rooms[1].held); n > maxHeld {
			t.Fatalf("got %d messages held, want at most %d", n, maxHeld)
		}
		for seq := bw.Seq(1); seq <= 3*maxHeld; seq += wire.MaxPage {
			p.say(page(p.last(wire.TypeHistory), messages(seq, min(seq+wire.MaxPage-1, 3*maxHeld))...))
			synctest.Wait()
		}
		w.wantSeqs(until(3 * maxHeld))
	})
}

func TestAnApplicationThatTakesNoEventsHoldsTheServerUp(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		w.mu.Lock()
		w.block = make(chan struct{})
		w.mu.Unlock()
		const count = 200
		wrote := make(chan int, 2)
		go func() {
			_ = p.conn.SetWriteDeadline(time.Now().Add(time.Minute))
			n := bw.Seq(1)
			for ; n <= count; n++ {
				frame := live(1, n)
				if _, err := p.conn.Write(append(wire.AppendFrameHeader(nil, wire.OpText, len(frame)), frame...)); err != nil {
					break
				}
			}
			wrote <- int(n)
		}()
		pass(2 * time.Minute)
		// The reader's buffer takes some, a pipe nothing.
		if n := <-wrote; n > 50 {
			t.Errorf("got %d messages taken off the connection, want it not to be read", n)
		}
		p.drop()
		w.mu.Lock()
		close(w.block)
		w.block = nil
		w.mu.Unlock()
		w.await(2)
		got := w.seqs(1)
		w.peer().say(joined(1, count, true, messages(bw.Seq(len(got))+1, count)...))
		w.wantSeqs(until(count))
	})
}

func TestAFragmentedMessageAndWhatComesBetween(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		text := string(live(1, 1))
		p.raw(fragment(false, wire.OpText, text[:10]))
		p.raw(ping("between"))
		p.raw(fragment(false, wire.OpContinuation, text[10:20]))
		p.raw(fragment(true, wire.OpContinuation, text[20:]))
		w.wantSeqs(until(1))
		if p.pongs != 1 {
			t.Errorf("got %d pongs, want 1", p.pongs)
		}
	})
}

func TestAServerThatBreaksTheRulesIsLeft(t *testing.T) {
	for name, bytes := range map[string][]byte{
		"no JSON":        append(wire.AppendFrameHeader(nil, wire.OpText, 1), '{'),
		"a binary frame": append(wire.AppendFrameHeader(nil, wire.OpBinary, 1), 'x'),
		"no UTF-8":       append(wire.AppendFrameHeader(nil, wire.OpText, 1), 0xFF),
		"a mask":         {0x81, 0x81, 1, 2, 3, 4, 5},
		"a long ping":    append([]byte{0x89, 126, 0, 126}, make([]byte, 126)...),
		"16 EiB":         append([]byte{0x81, 127}, bigEndian(1<<62)...),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.startJoined().raw(bytes)
				w.wantState(Waiting, "network")
			})
		})
	}
}

func TestPresenceAndTypingAreTold(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.startJoined()
		p.say(wire.AppendPresence(nil, 1, 3, []bw.Name{"Bob"}, []bw.Name{"Eve"}))
		p.say(wire.AppendTyping(nil, 1, "Bob"))
		p.say([]byte(`{"type":"weather","room":1,"wind":"west"}`))
		if got := told[Presence](w); len(got) != 1 || got[0].Users != 3 || got[0].Joined[0] != "Bob" || got[0].Left[0] != "Eve" {
			t.Errorf("got %+v, want Bob in and Eve out", got)
		}
		if got := told[Typing](w); len(got) != 1 || got[0].User != "Bob" {
			t.Errorf("got %+v, want Bob typing", got)
		}
		w.Typing(1)
		w.Typing(1)
		pass(typingPause)
		w.Typing(1)
		if n := len(p.got(wire.TypeTyping)); n != 2 {
			t.Errorf("got %d typing frames, want 2", n)
		}
	})
}
