package membroker_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

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
		// The wait for the next message lets the time for another try pass.
		for s.Healthy(context.Background()) != nil {
			pause(t)
		}
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

func TestHoleAndNewEpochAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, membroker.Config{}, newFakeLog())
		l := s.listen(room)
		s.want("a", "text", "", 1, false)
		l.next(t, 1, "a")

		s.log.setFaults(once(failButStored), nil)
		s.want("b", "text", bw.Unavailable, 0, false)
		s.log.hide(2)
		s.want("c", "text", "", 3, false)
		if got, want := <-l.gaps, (gap{s.log.epoch, 2, 2}); got != want {
			t.Fatalf("gap over what cannot be read: got %+v, want %+v", got, want)
		}
		l.next(t, 3, "c")

		s.log.setFaults(once(failNotStored), nil)
		s.want("d", "text", bw.Unavailable, 0, false)
		s.log.beginEpoch(2_000)
		got := s.want("d", "text", "", 4, false)
		if got.Epoch != 2_000 {
			t.Fatalf("epoch after a new life of the log: got %d, want 2000", got.Epoch)
		}
		if got, want := <-l.gaps, (gap{2_000, 4, 3}); got != want {
			t.Fatalf("gap of the new epoch: got %+v, want %+v", got, want)
		}
		l.next(t, 4, "d")
	})
}
