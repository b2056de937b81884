package membroker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/broker/membroker"
)

// stall holds every commit until it is released, and says which one began.
func (l *fakeLog) stall() (began <-chan int, release func()) {
	starts, gate := make(chan int, 1<<10), make(chan struct{})
	l.setFaults(func(batch []bw.Message) fault {
		starts <- len(batch)
		<-gate
		return noFault
	}, nil)
	return starts, func() { close(gate) }
}

func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, membroker.Config{QueueBytes: 4000, RetryAfter: 3 * time.Second}, newFakeLog())
		l := s.listen(room)
		began, release := s.log.stall()
		waiting := []<-chan answer{s.begin(room, "0", "text")}
		<-began

		// The queue takes what it has room for and then refuses at once.
		var refused answer
		for i := 1; refused.err == nil && i < 1000; i++ {
			a := s.begin(room, bw.MessageID(fmt.Sprint(i)), "text")
			select {
			case refused = <-a:
			default:
				waiting = append(waiting, a)
			}
		}
		var e *bw.Error
		if !errors.As(refused.err, &e) || e.Kind != bw.Unavailable || e.RetryAfter != 3*time.Second {
			t.Fatalf("send into a full queue: got %v, want %s with the configured delay", refused.err, bw.Unavailable)
		}
		if got := s.metric("queue_bytes"); got > 4000 || got < 3000 {
			t.Fatalf("queue bytes: got %v, want nearly 4000", got)
		}

		// Readers, subscribers and notices do not wait for the disk.
		late := s.listen(room)
		if tail, err := s.Tail(context.Background(), room, 0, 10); err != nil || tail.Head.Seq != 0 {
			t.Fatalf("tail during a stall: got %+v, %v, want head 0", tail, err)
		}
		s.Notify(broker.Notice{Room: room, Typing: "bob"})
		if n := <-late.notices; n.Typing != "bob" {
			t.Fatalf("notice during a stall: got %+v", n)
		}
		s.eventually("bad health during a stall", func() bool { return s.Healthy(context.Background()) != nil })

		release()
		for i, a := range waiting {
			if got := <-a; got.err != nil || got.Seq != bw.Seq(i+1) {
				t.Fatalf("accepted send %d: got %+v, want seq %d", i, got, i+1)
			}
			id := bw.MessageID(fmt.Sprint(i))
			l.next(t, bw.Seq(i+1), id)
			late.next(t, bw.Seq(i+1), id)
		}
		synctest.Wait()
		if err := s.Healthy(context.Background()); err != nil || s.metric("queue_bytes") != 0 {
			t.Fatalf("after the stall: health %v, queue bytes %v, want none", err, s.metric("queue_bytes"))
		}
		// The one that commits during a stall is the group that follows it.
		if want := []int{1, len(waiting) - 1}; !slices.Equal(s.log.commits, want) {
			t.Fatalf("commits: got batches of %v, want %v", s.log.commits, want)
		}
	})
}

// Repeats that come in one batch share the luck of the first.
func TestRepeatsWithinABatch(t *testing.T) {
	for _, test := range []struct {
		name   string
		commit fault
		kinds  [4]bw.Kind
	}{
		{"stored", noFault, [4]bw.Kind{"", "", bw.IDConflict, ""}},
		{"failed", failNotStored, [4]bw.Kind{bw.Unavailable, bw.Unavailable, bw.Unavailable, bw.Unavailable}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, membroker.Config{}, newFakeLog())
				began, release := s.log.stall()
				first := s.begin(room, "0", "text")
				<-began
				answers := []<-chan answer{
					s.begin(room, "a", "text"), s.begin(room, "a", "text"),
					s.begin(room, "a", "other"), s.begin(otherRoom, "a", "text"),
				}
				s.log.setFaults(once(test.commit), nil)
				release()
				<-first
				seqs := [4]bw.Seq{2, 2, 0, 1}
				for i, a := range answers {
					got := <-a
					if bw.KindOf(got.err) != test.kinds[i] {
						t.Fatalf("answer %d: got %+v, want kind %q", i, got, test.kinds[i])
					}
					if got.err == nil && (got.Seq != seqs[i] || got.Duplicate != (i == 1)) {
						t.Fatalf("answer %d: got %+v, want seq %d, duplicate %v", i, got, seqs[i], i == 1)
					}
				}
			})
		})
	}
}

// orderly notes the order of acks and deliveries.
type orderly struct {
	listener
	order chan string
}

func (o *orderly) Deliver([]bw.Message) { o.order <- "delivery" }

func TestAckComesBeforeDeliveryAndAfterTheHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, membroker.Config{}, newFakeLog())
		o := &orderly{order: make(chan string, 2)}
		subscription, _, err := s.Subscribe(context.Background(), room, o)
		if err != nil {
			t.Fatalf("subscribe: %v", err)
		}
		defer subscription.Close()
		s.Send(broker.Send{Room: room, User: "ann", ID: "1", Text: "text"}, func(a broker.Ack, err error) {
			tail, tailErr := s.Tail(context.Background(), room, 0, 1)
			if err != nil || tailErr != nil || tail.Head != a.Position {
				t.Errorf("at the ack %+v (%v): got tail %+v (%v), want it to end there", a, err, tail, tailErr)
			}
			o.order <- "ack"
		})
		if first, second := <-o.order, <-o.order; first != "ack" || second != "delivery" {
			t.Fatalf("order: got %s, %s, want ack, delivery", first, second)
		}
	})
}

// Who subscribes between the ack and the delivery is given the position of the
// message, and so must not be given the message.
func TestSubscribeBetweenAckAndDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, membroker.Config{}, newFakeLog())
		s.listen(room)
		var late *listener
		s.Send(broker.Send{Room: room, User: "ann", ID: "1", Text: "text"}, func(broker.Ack, error) {
			late = s.listen(room)
		})
		synctest.Wait()
		if late.start.Seq != 1 {
			t.Fatalf("position at the ack: got seq %d, want 1", late.start.Seq)
		}
		s.want("2", "text", "", 2, false)
		late.next(t, 2, "2")
	})
}

// A room that a commit is writing to is not forgotten, however many others are
// read: who subscribes to it must get what is being written.
func TestRoomOfARunningCommitIsNotEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, membroker.Config{IdleRooms: 1}, newFakeLog())
		began, release := s.log.stall()
		sent := s.begin(room, "1", "text")
		<-began
		for i := range 50 {
			if _, err := s.Tail(context.Background(), room+bw.RoomID(i), 0, 1); err != nil {
				t.Fatalf("tail: %v", err)
			}
		}
		l := s.listen(room)
		release()
		if a := <-sent; a.err != nil || a.Seq != l.start.Seq+1 {
			t.Fatalf("send: got %+v, want seq %d", a, l.start.Seq+1)
		}
		l.next(t, 1, "1")
	})
}
