package redisbroker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker/redisbroker"
)

type newest func(context.Context, bw.RoomID) (bw.Position, error)

// Redis loses everything in mid-traffic: a new life begins, everybody is told of
// one gap, no seq is given twice, and chat goes on whatever the history says.
func TestFlushUnderSends(t *testing.T) {
	for _, test := range []struct {
		name   string
		newest newest
	}{
		{"without a history", nil},
		{"with one", func(context.Context, bw.RoomID) (bw.Position, error) { return bw.Position{Epoch: 5, Seq: 7}, nil }},
		{"with one that fails", func(context.Context, bw.RoomID) (bw.Position, error) { return bw.Position{}, errors.New("away") }},
		{"with one that hangs", func(ctx context.Context, _ bw.RoomID) (bw.Position, error) {
			<-ctx.Done()
			return bw.Position{}, ctx.Err()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := startTraffic(t, openThree(t, redisbroker.Config{Newest: test.newest}))
			tr.more(200)
			flush(t)
			tr.more(200)
			tr.end()
			for i, l := range tr.listeners {
				got := gaps(l.all())
				if len(got) != 1 || got[0].Epoch <= l.start.Epoch || got[0].Seq-got[0].from < 1<<20-1 {
					t.Errorf("gaps of listener %d: got %+v, want one of a new epoch over more than 2^20 seqs", i, got)
				}
			}
			events := tr.listeners[0].all()
			if last := events[len(events)-1]; last.Seq >= 1<<53 {
				t.Errorf("seq %d is too large for a JavaScript number", last.Seq)
			}
		})
	}
}

// flush deletes everything that there is, which must be the tests' own.
func flush(t *testing.T) {
	t.Helper()
	if os.Getenv("BREAKWATER_TEST_REDIS") != "" {
		t.Fatal("BREAKWATER_TEST_REDIS is set: only a Redis that the tests started themselves is theirs to flush")
	}
	if err := raw.FlushAll(context.Background()).Err(); err != nil {
		t.Fatalf("flush: %v", err)
	}
}

// Life after life is lost before any of it is in the history, and each is begun
// by a server that knows nothing of the one before.
func TestLivesAreLostOneAfterTheOther(t *testing.T) {
	history := bw.Position{Epoch: 3, Seq: 1000}
	cfg := redisbroker.Config{Newest: func(context.Context, bw.RoomID) (bw.Position, error) { return history, nil }}
	room := open(t, cfg).newRoom()
	last := history
	for range 5 {
		flush(t)
		b := open(t, cfg)
		first := b.send(room, "the same id")
		if first.Epoch <= last.Epoch || first.Seq != bw.Seq(first.Epoch)*1000+1 || first.Seq <= last.Seq || first.Duplicate {
			t.Fatalf("first ack of a new life: got %+v, want it above %+v", first, last)
		}
		last = b.send(room, "another one").Position
		if last.Seq != first.Seq+1 || last.Epoch != first.Epoch {
			t.Fatalf("second ack: got %+v, want it after %+v", last, first)
		}
	}
}

// The history is ahead of everybody's clock.
func TestNewLifeBeginsAboveTheHistory(t *testing.T) {
	for _, history := range []bw.Position{
		{Epoch: 4_000_000_000_000, Seq: 4_000_000_000_000_001}, {Epoch: 4_000_000_000_000, Seq: 1}, {Epoch: 5, Seq: 4_000_000_000_000_000},
	} {
		t.Run(fmt.Sprint(history), func(t *testing.T) { newLifeBeginsAbove(t, history) })
	}
}

func newLifeBeginsAbove(t *testing.T, history bw.Position) {
	b := open(t, redisbroker.Config{Newest: func(context.Context, bw.RoomID) (bw.Position, error) { return history, nil }})
	rooms := []bw.RoomID{b.newRoom(), b.newRoom(), b.newRoom()}
	flush(t)
	// By a send, by a subscription, by a read of the tail.
	if a := b.send(rooms[0], "1"); a.Epoch <= history.Epoch || a.Seq <= history.Seq+1<<20 || a.Seq != bw.Seq(a.Epoch)*1000+1 {
		t.Errorf("first ack: got %+v, want it 2^20 above %+v", a, history)
	}
	if l := b.listen(rooms[1]); l.start.Epoch <= history.Epoch || l.start.Seq < history.Seq+1<<20 {
		t.Errorf("position of a subscriber: got %+v, want it 2^20 above %+v", l.start, history)
	}
	tail, err := b.Tail(t.Context(), rooms[2], history.Seq, 50)
	if err != nil || tail.Head.Epoch <= history.Epoch || tail.Complete || len(tail.Messages) != 0 {
		t.Errorf("tail: got %+v, %v, want nothing of a new epoch, and not complete", tail, err)
	}
}

// Begin is repeated when Redis has lost the room and its server has not.
func TestBeginOfAForgottenRoom(t *testing.T) {
	b := open(t, redisbroker.Config{})
	room := b.newRoom()
	last := b.send(room, "1")
	flush(t)
	if err := b.Begin(t.Context(), room); err != nil {
		t.Fatalf("begin: %v", err)
	}
	if a := b.send(room, "2"); a.Epoch <= last.Epoch || a.Seq <= last.Seq+1<<20 {
		t.Errorf("ack: got %+v, want a new life after %+v", a, last)
	}
}
