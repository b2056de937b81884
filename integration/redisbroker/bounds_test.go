package redisbroker_test

import (
	"fmt"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/broker/redisbroker"
)

// The tail keeps the newest and the youngest, and no more than its bytes.
func TestTailIsBounded(t *testing.T) {
	for _, test := range []struct {
		name        string
		cfg         redisbroker.Config
		least, most int64
	}{
		{"by number, when all is old", redisbroker.Config{TailMessages: 50, TailAge: time.Nanosecond}, 50, 100},
		{"not by number, while all is young", redisbroker.Config{TailMessages: 50}, 400, 400},
		{"by bytes", redisbroker.Config{TailMessages: 50, TailBytes: 2000}, 20, 70},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := open(t, test.cfg)
			room := b.newRoom()
			l := b.listen(room)
			for i := range 400 {
				b.send(room, fmt.Sprint(i))
				if test.cfg.TailAge == time.Nanosecond && i%20 == 0 {
					<-time.After(2 * time.Millisecond)
				}
			}
			if n := raw.XLen(t.Context(), key("tail", room)).Val(); n < test.least || n > test.most {
				t.Errorf("tail: got %d messages, want %d to %d", n, test.least, test.most)
			}
			last := bw.Position{Epoch: l.start.Epoch, Seq: 400}
			l.upTo(last)
			tail, err := b.Tail(t.Context(), room, 0, 500)
			if err != nil || tail.Head != last || tail.Complete != (test.least == 400) || tail.Messages[len(tail.Messages)-1].Seq != 400 {
				t.Errorf("tail: got head %+v, complete %v, %v", tail.Head, tail.Complete, err)
			}
		})
	}
}

// blocker is a receiver that is stuck in its first call.
type blocker struct {
	listener
	entered, gate chan struct{}
}

func (b *blocker) Deliver(batch []bw.Message) {
	select {
	case b.entered <- struct{}{}:
	default:
	}
	<-b.gate
	b.listener.Deliver(batch)
}

// A stuck receiver holds up nobody else, costs bounded memory, keeps nobody from
// subscribing, and misses nothing.
func TestStuckReceiver(t *testing.T) {
	const bound = 5000
	b := open(t, redisbroker.Config{InboxBytes: bound})
	room, otherRoom := b.newRoom(), b.newRoom()
	stuck := &blocker{listener: listener{t: t}, entered: make(chan struct{}, 1), gate: make(chan struct{})}
	subscription, start, err := b.Subscribe(t.Context(), room, stuck)
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	stuck.start = start
	b.send(room, "0")
	<-stuck.entered
	var last broker.Ack
	for i := range 200 {
		last = b.send(room, fmt.Sprint(i+1))
		if got := b.metric("inbox_bytes"); got > bound {
			t.Fatalf("inbox: got %v bytes, want at most %d", got, bound)
		}
	}
	elsewhere := b.listen(otherRoom)
	elsewhere.upTo(b.send(otherRoom, "1").Position)
	late := b.listen(room)
	if late.start != last.Position {
		t.Errorf("position of who comes late: got %+v, want %+v", late.start, last.Position)
	}
	close(stuck.gate)
	if got := stuck.upTo(last.Position); len(got) != 201 || len(gaps(got)) > 0 {
		t.Errorf("delivered to the stuck one: got %d events with gaps %+v, want 201 messages", len(got), gaps(got))
	}
	next := b.send(room, "next")
	if got := late.upTo(next.Position); len(got) != 1 {
		t.Errorf("delivered to who came late: got %+v, want the next message only", got)
	}
	subscription.Close()
}

// What was trimmed before it could be fetched is a gap, and delivery goes on.
func TestGapWhenTheTailIsTooShort(t *testing.T) {
	b := open(t, redisbroker.Config{CheckEvery: time.Hour})
	room := b.newRoom()
	l := b.listen(room)
	b.send(room, "1")
	for i := range 3 {
		storeSilently(t, room, fmt.Sprint("lost ", i))
	}
	if err := raw.XTrimMaxLen(t.Context(), key("tail", room), 1).Err(); err != nil {
		t.Fatal(err)
	}
	last := b.send(room, "2")
	got := l.upTo(last.Position)
	if len(got) != 4 || !got[1].gap || got[1].from != 2 || got[1].Seq != 3 || got[2].ID != "lost 2" || got[3].ID != "2" {
		t.Errorf("got %+v, want 1, a gap over 2 and 3, and the rest", got)
	}
}

// A room that nobody listens to any more is not followed for long.
func TestRoomsAreLetGo(t *testing.T) {
	b, lingering := open(t, redisbroker.Config{Linger: 100 * time.Millisecond}), open(t, redisbroker.Config{Linger: time.Hour})
	room, other := b.newRoom(), lingering.newRoom()
	lingering.listen(other).subscription.Close()
	for range 3 {
		first, second := b.listen(room), b.listen(room)
		first.subscription.Close()
		second.upTo(b.send(room, fmt.Sprint(time.Now().UnixNano())).Position)
		second.subscription.Close()
		eventually(t, "no room is followed", func() bool { return b.metric("rooms") == 0 })
		eventually(t, "Redis has no subscriber", func() bool {
			channel := key("live", room)
			return raw.PubSubNumSub(t.Context(), channel).Val()[channel] == 0
		})
	}
	if got := lingering.metric("rooms"); got != 1 {
		t.Errorf("rooms of who lets them go later: got %v, want the one followed still", got)
	}
}
