package redisbroker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// traffic is sends to one room by way of several brokers, each repeated until it
// is acked, and a listener at each broker.
type traffic struct {
	t         *testing.T
	room      bw.RoomID
	brokers   []*subject
	listeners []*listener
	quit      chan struct{}
	senders   sync.WaitGroup

	mu   sync.Mutex
	acks map[bw.MessageID]broker.Ack
}

func startTraffic(t *testing.T, brokers []*subject) *traffic {
	t.Helper()
	tr := &traffic{
		t: t, room: brokers[0].newRoom(), brokers: brokers, quit: make(chan struct{}), acks: map[bw.MessageID]broker.Ack{},
	}
	for _, b := range brokers {
		tr.listeners = append(tr.listeners, b.listen(tr.room))
	}
	for i, b := range brokers {
		for j := range 3 {
			tr.senders.Go(func() { tr.send(b, fmt.Sprintf("%d-%d", i, j)) })
		}
	}
	return tr
}

func (tr *traffic) send(b *subject, name string) {
	for i := 0; ; i++ {
		select {
		case <-tr.quit:
			return
		default:
		}
		id := fmt.Sprintf("%s-%d", name, i)
		ack := b.untilAcked(tr.room, id)
		tr.mu.Lock()
		tr.acks[bw.MessageID(id)] = ack
		tr.mu.Unlock()
	}
}

func (tr *traffic) count() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return len(tr.acks)
}

// more waits for n further acks.
func (tr *traffic) more(n int) {
	tr.t.Helper()
	want := tr.count() + n
	eventually(tr.t, fmt.Sprintf("%d more acks", n), func() bool { return tr.count() >= want })
}

// end stops the senders and checks what must hold whatever has happened: all
// listeners come to the end in order, no seq was given twice, each id is in a
// life once, and what was acked in the life at hand is where its ack says, unless
// the tail has been cut.
func (tr *traffic) end() {
	tr.t.Helper()
	close(tr.quit)
	tr.senders.Wait()
	last := tr.brokers[0].untilAcked(tr.room, "the last one")
	for _, l := range tr.listeners {
		l.upTo(last.Position)
	}
	log, err := readLog(context.Background(), tr.room, 0, 1<<20)
	if err != nil {
		tr.t.Fatalf("read the log: %v", err)
	}
	stored := map[bw.Position]bw.MessageID{}
	ids := map[string]bool{}
	for _, m := range log {
		stored[m.Position()] = m.ID
		if key := fmt.Sprint(m.Epoch, m.ID); ids[key] {
			tr.t.Errorf("%q is in the log of epoch %d twice", m.ID, m.Epoch)
		} else {
			ids[key] = true
		}
	}
	given := map[bw.Seq]bw.MessageID{}
	for id, ack := range tr.acks {
		if other, twice := given[ack.Seq]; twice {
			tr.t.Errorf("seq %d was given to %q and to %q", ack.Seq, id, other)
		}
		given[ack.Seq] = id
		if ack.Epoch == last.Epoch && ack.Seq >= log[0].Seq && stored[ack.Position] != id {
			tr.t.Errorf("%q was acked as %+v: there the log has %q", id, ack, stored[ack.Position])
		}
	}
}

// endWithoutGaps is end where every listener saw every message.
func (tr *traffic) endWithoutGaps() {
	tr.t.Helper()
	tr.end()
	first := tr.listeners[0].all()
	if got := gaps(first); len(got) > 0 {
		tr.t.Errorf("gaps: got %+v, want none", got)
	}
	for i, l := range tr.listeners[1:] {
		wantSame(tr.t, fmt.Sprintf("events of listener %d", i+1), l.all(), first)
	}
}

func wantSame[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s: number %d: got %+v, want %+v", what, i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: got %d, want %d", what, len(got), len(want))
	}
}
