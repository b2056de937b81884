package membroker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker/membroker"
)

// once makes the first commit fail in a way and all others succeed.
func once(what fault) func([]bw.Message) fault {
	var done atomic.Bool
	return func([]bw.Message) fault {
		if done.Swap(true) {
			return noFault
		}
		return what
	}
}

func TestFailedAndNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, membroker.Config{}, newFakeLog())
		l := s.listen(room)
		s.log.setFaults(once(failNotStored), nil)
		s.want("a", "text", bw.Unavailable, 0, false)
		s.want("b", "text", "", 1, false)
		s.want("a", "text", "", 2, false)
		l.next(t, 1, "b")
		l.next(t, 2, "a")
	})
}

func TestFailedButStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, membroker.Config{}, newFakeLog())
		l := s.listen(room)
		s.log.setFaults(once(failButStored), nil)
		s.want("a", "text", bw.Unavailable, 0, false)
		s.want("b", "text", "", 2, false)
		s.want("a", "text", "", 1, true)
		s.want("a", "other text", bw.IDConflict, 0, false)
		l.next(t, 1, "a")
		l.next(t, 2, "b")
	})
}

// Nobody sends after the failure, and yet the subscribers get what was stored.
func TestFailedButStoredIsDeliveredWithoutFurtherSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, membroker.Config{}, newFakeLog())
		early := s.listen(room)
		s.log.setFaults(once(failButStored), func() error { return errDisk })
		s.want("a", "text", bw.Unavailable, 0, false)

		// Who subscribes while the room is in doubt gets it as well.
		late := s.listen(room)
		if late.start != early.start {
			t.Fatalf("position while in doubt: got %+v, want the published %+v", late.start, early.start)
		}
		if err := s.Healthy(context.Background()); bw.KindOf(err) != bw.Unavailable || !errors.Is(err, errDisk) {
			t.Fatalf("health while in doubt: got %v, want %s because of %v", err, bw.Unavailable, errDisk)
		}
		s.log.setFaults(nil, nil)
		early.next(t, 1, "a")
		late.next(t, 1, "a")
		synctest.Wait()
		if err := s.Healthy(context.Background()); err != nil {
			t.Fatalf("health after the log came back: got %v, want none", err)
		}
	})
}

// While the log cannot even be read every send is refused; nobody has to send
// for the broker to find out that the log is back.
func TestOutageEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		s := open(t, membroker.Config{Logger: slog.New(slog.NewTextHandler(&logged, nil))}, newFakeLog())
		s.log.setFaults(nil, func() error { return errDisk })
		for range 3 {
			s.want("a", "text", bw.Unavailable, 0, false)
		}
		if _, _, err := s.Subscribe(context.Background(), otherRoom, &listener{}); bw.KindOf(err) != bw.Unavailable {
			t.Fatalf("subscribe: got %v, want %s", err, bw.Unavailable)
		}
		if _, err := s.Tail(context.Background(), otherRoom, 0, 10); bw.KindOf(err) != bw.Unavailable {
			t.Fatalf("tail: got %v, want %s", err, bw.Unavailable)
		}
		s.log.setFaults(nil, nil)
		s.eventually("health without any send", func() bool { return s.Healthy(context.Background()) == nil })
		s.want("a", "text", "", 1, false)
		s.close()
		if got := strings.Count(logged.String(), "\n"); got != 2 {
			t.Fatalf("log lines of one outage: got %d, want 2 (its begin and its end)\n%s", got, &logged)
		}
	})
}

// A log that forgot acked messages is not written to: their seqs would be given
// a second time.
func TestLogThatWentBackIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, membroker.Config{}, newFakeLog())
		s.want("a", "text", "", 1, false)
		s.want("b", "text", "", 2, false)
		s.log.setFaults(once(failNotStored), nil)
		s.want("c", "text", bw.Unavailable, 0, false)
		s.log.truncate(room, 1)
		s.want("c", "text", bw.Unavailable, 0, false)
		if got := len(s.log.stored(room)); got != 1 {
			t.Fatalf("messages in the log: got %d, want 1", got)
		}
	})
}

// What cannot be read after a failure is told as a gap, and only that.
func TestHoleIsTold(t *testing.T) {
	for _, test := range []struct {
		name   string
		hidden bw.Seq
		gap    gap
	}{
		{"in the middle", 2, gap{1_000, 2, 2}},
		{"at the end", 4, gap{1_000, 4, 4}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, membroker.Config{}, newFakeLog())
				l := s.listen(room)
				began, release := s.log.stall()
				answers := []<-chan answer{s.begin(room, "1", "text")}
				<-began
				for _, id := range []bw.MessageID{"2", "3", "4"} {
					answers = append(answers, s.begin(room, id, "text"))
				}
				s.log.hide(test.hidden)
				s.log.setFaults(once(failButStored), nil)
				release()
				for _, a := range answers {
					<-a
				}
				for seq := bw.Seq(1); seq <= 4; seq++ {
					if seq != test.hidden {
						l.next(t, seq, bw.MessageID(fmt.Sprint(seq)))
					}
				}
				if got := <-l.gaps; got != test.gap {
					t.Fatalf("gap over what cannot be read: got %+v, want %+v", got, test.gap)
				}
				s.want("5", "text", "", 5, false)
				l.next(t, 5, "5")
			})
		})
	}
}

func TestNewEpochIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, membroker.Config{}, newFakeLog())
		l := s.listen(room)
		s.want("a", "text", "", 1, false)
		l.next(t, 1, "a")
		s.log.setFaults(once(failNotStored), nil)
		s.want("b", "text", bw.Unavailable, 0, false)
		s.log.beginEpoch(2_000)
		if got := s.want("b", "text", "", 2, false); got.Epoch != 2_000 {
			t.Fatalf("epoch after a new life of the log: got %d, want 2000", got.Epoch)
		}
		if got, want := <-l.gaps, (gap{2_000, 2, 1}); got != want {
			t.Fatalf("gap of the new epoch: got %+v, want %+v", got, want)
		}
		l.next(t, 2, "b")
	})
}

// While a room is in doubt its readers see what is published, not what the log
// may have beyond it.
func TestTailWhileInDoubtEndsAtThePublishedHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, membroker.Config{SettleEvery: time.Hour}, newFakeLog())
		for seq := range bw.Seq(5) {
			s.want(bw.MessageID(fmt.Sprint(seq)), "text", "", seq+1, false)
		}
		s.log.setFaults(once(failButStored), nil)
		s.want("x", "text", bw.Unavailable, 0, false)
		for _, test := range []struct {
			hidden, first bw.Seq
			complete      bool
		}{{0, 1, true}, {3, 4, false}} {
			s.log.hide(test.hidden)
			tail, err := s.Tail(context.Background(), room, 0, 10)
			if err != nil || tail.Head.Seq != 5 || tail.Complete != test.complete ||
				len(tail.Messages) == 0 || tail.Messages[0].Seq != test.first || tail.Messages[len(tail.Messages)-1].Seq != 5 {
				t.Fatalf("tail with seq %d unreadable: got %+v, %v, want it from %d to 5, complete %v",
					test.hidden, tail, err, test.first, test.complete)
			}
		}
	})
}
