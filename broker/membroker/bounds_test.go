package membroker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/broker/membroker"
)

func TestTailsAreBounded(t *testing.T) {
	const all = 20_000
	s := open(t, membroker.Config{TailMessages: 50, TailBytes: 8_000, AllTailsBytes: all}, newFakeLog())
	for i := range 10 {
		s.listen(room + bw.RoomID(i))
	}
	for i := range 1000 {
		id := room + bw.RoomID(i%10)
		text := strings.Repeat("x", 1+i%1000)
		if a := <-s.begin(id, bw.MessageID(fmt.Sprint(i)), text); a.err != nil {
			t.Fatalf("send: %v", a.err)
		}
		if got := s.metric("tail_bytes"); got > all {
			t.Fatalf("bytes in all tails after %d messages: got %v, want at most %d", i+1, got, all)
		}
	}
	if got := s.metric("tail_bytes"); got < all/2 {
		t.Fatalf("bytes in all tails: got %v, want the memory used", got)
	}
	tail, err := s.Tail(context.Background(), room, 0, 100)
	if err != nil || len(tail.Messages) != 100 || !tail.Complete {
		t.Fatalf("tail beyond the memory: got %d messages, complete %v, %v, want all 100", len(tail.Messages), tail.Complete, err)
	}
}

func TestTailOfOneRoomIsBounded(t *testing.T) {
	for _, test := range []struct {
		name     string
		cfg      membroker.Config
		textSize int
		bytes    float64
	}{
		{"in bytes", membroker.Config{TailBytes: 5_000}, 1_000, 5_000},
		{"in messages", membroker.Config{TailMessages: 10}, 100, 10 * 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, test.cfg, newFakeLog())
			s.listen(room)
			for i := range 50 {
				<-s.begin(room, bw.MessageID(fmt.Sprint(i)), strings.Repeat("x", test.textSize))
			}
			if got := s.metric("tail_bytes"); got > test.bytes || got < test.bytes/2 {
				t.Fatalf("bytes in the tail: got %v, want at most %v and at least half of it", got, test.bytes)
			}
		})
	}
}

func TestRoomsWithoutSubscribersKeepNoMemory(t *testing.T) {
	const idle = 5
	s := open(t, membroker.Config{IdleRooms: idle}, newFakeLog())
	for i := range 100 {
		id := room + bw.RoomID(i)
		subscription, _, err := s.Subscribe(context.Background(), id, &listener{messages: make(chan bw.Message, 1)})
		if err != nil {
			t.Fatalf("subscribe: %v", err)
		}
		<-s.begin(id, "a", "text")
		subscription.Close()
		if _, err := s.Tail(context.Background(), id+1000, 0, 10); err != nil {
			t.Fatalf("tail: %v", err)
		}
	}
	// The last batch lets go of its rooms after its answers.
	s.close()
	if rooms, bytes := s.metric("rooms"), s.metric("tail_bytes"); rooms > idle || bytes != 0 {
		t.Fatalf("without subscribers: got %v rooms and %v tail bytes, want at most %d and 0", rooms, bytes, idle)
	}
}

// blocker is a receiver that is stuck in its first notice.
type blocker struct {
	listener
	entered, gate chan struct{}
}

func (b *blocker) Notify(broker.Notice) {
	b.entered <- struct{}{}
	<-b.gate
}

func TestNoticesAreDroppedAndCountedWhenTheyPileUp(t *testing.T) {
	s := open(t, membroker.Config{NoticeBytes: 2_000}, newFakeLog())
	b := &blocker{entered: make(chan struct{}, 100), gate: make(chan struct{})}
	subscription, _, err := s.Subscribe(context.Background(), room, b)
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	notice := broker.Notice{Room: room, Joined: []bw.Name{"a rather long name of a user"}}
	s.Notify(notice)
	<-b.entered
	for range 50 {
		s.Notify(notice)
	}
	if got := s.metric("notices_dropped_total"); got < 30 || got > 49 {
		t.Fatalf("dropped notices: got %v of 50, want most but not all", got)
	}
	close(b.gate)
	subscription.Close()
	if got, err := s.Tail(context.Background(), room, 0, 0); err != nil || got.Head.Seq != 0 {
		t.Fatalf("tail afterwards: got %+v, %v", got, err)
	}
}

// A receiver that is being called must not be called any more once Close has
// returned; Close therefore waits for it.
func TestCloseOfASubscriptionWaitsForTheRunningCall(t *testing.T) {
	s := open(t, membroker.Config{}, newFakeLog())
	b := &blocker{entered: make(chan struct{}, 1), gate: make(chan struct{})}
	subscription, _, err := s.Subscribe(context.Background(), room, b)
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	s.Notify(broker.Notice{Room: room})
	<-b.entered
	closed := make(chan struct{})
	go func() {
		subscription.Close()
		close(closed)
	}()
	// Other rooms go on, and so do sends to this one.
	s.listen(otherRoom)
	<-s.begin(otherRoom, "a", "text")
	select {
	case <-closed:
		t.Fatal("Close returned while the receiver was being called")
	default:
	}
	close(b.gate)
	<-closed
}
