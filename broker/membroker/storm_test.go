package membroker_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/broker/membroker"
)

// TestStormOfFaults has users send and repeat until they are acked, over a log
// that fails in every way, and a broker that is restarted in between. Whatever
// the seed: every message is stored once where its ack says, and the listeners
// see the log.
func TestStormOfFaults(t *testing.T) {
	for range 20 {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { stormOfFaults(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func stormOfFaults(t *testing.T, random *rand.Rand) {
	const users, each, lives = 6, 15, 3
	log := newFakeLog()
	acks := map[fakeKey]broker.Ack{}
	for life := range lives {
		s := open(t, membroker.Config{BatchMessages: 1 + random.IntN(8), RecentBytes: 1 << random.IntN(12)}, log)
		listeners := map[bw.RoomID]*listener{room: s.listen(room), otherRoom: s.listen(otherRoom)}
		log.setFaults(randomFaults(random))
		var mu sync.Mutex
		var sending sync.WaitGroup
		for u := range users {
			user := bw.Name(fmt.Sprintf("user %d", u))
			sending.Go(func() {
				for i := range each {
					send := broker.Send{
						Room: room + bw.RoomID(i%2), User: user,
						ID: bw.MessageID(fmt.Sprintf("%d-%d", life, i)), Text: "text",
					}
					ack := s.untilAcked(send)
					mu.Lock()
					acks[fakeKey{send.Room, send.User, send.ID}] = ack
					mu.Unlock()
				}
			})
		}
		sending.Wait()
		log.setFaults(nil, nil)
		for id, l := range listeners {
			stored := log.stored(id)
			for _, m := range stored[l.start.Seq:] {
				l.next(t, m.Seq, m.ID)
			}
		}
		s.close()
	}
	if got := len(log.stored(room)) + len(log.stored(otherRoom)); got != len(acks) || got != users*each*lives {
		t.Fatalf("messages in the log: got %d, want %d, as many as acks (%d)", got, users*each*lives, len(acks))
	}
	for key, ack := range acks {
		m := log.stored(key.room)[ack.Seq-1]
		if m.User != key.user || m.ID != key.id || m.Timestamp != ack.Timestamp {
			t.Fatalf("%+v was acked as %+v, but there the log has %+v", key, ack, m)
		}
	}
}

// untilAcked repeats a send as a client does.
func (s *subject) untilAcked(send broker.Send) broker.Ack {
	for {
		answers := make(chan answer, 1)
		s.Send(send, func(a broker.Ack, err error) { answers <- answer{a, err} })
		switch a := <-answers; bw.KindOf(a.err) {
		case "":
			return a.Ack
		case bw.Unavailable:
			<-time.After(10 * time.Millisecond)
		default:
			s.Errorf("send %+v: %v", send, a.err)
			return a.Ack
		}
	}
}

func randomFaults(random *rand.Rand) (func([]bw.Message) fault, func() error) {
	var mu sync.Mutex
	draw := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(n)
	}
	commit := func([]bw.Message) fault {
		if draw(3) == 0 {
			return fault(1 + draw(2))
		}
		return noFault
	}
	read := func() error {
		if draw(10) == 0 {
			return errDisk
		}
		return nil
	}
	return commit, read
}
