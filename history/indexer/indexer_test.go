package indexer

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
)

func TestBatches(t *testing.T) {
	for _, row := range []struct {
		name      string
		n, length int
		puts      []int
		within    time.Duration
	}{
		{"one message waits for others, not for long", 1, 10, []int{1}, 250 * time.Millisecond},
		{"many are cut by number", 2500, 10, []int{1000, 1000, 500}, 250 * time.Millisecond},
		{"a full batch does not wait", 1000, 10, []int{1000}, 20 * time.Millisecond},
		{"large ones are cut by size", 7, 1 << 20, []int{4, 3}, 250 * time.Millisecond},
		{"a huge one goes alone", 2, 6 << 20, []int{1, 1}, 250 * time.Millisecond},
	} {
		act(t, row.name, func(s *scene) {
			messages := lines(row.n, row.length)
			s.feed.add(messages...)
			s.start()
			took := s.settles(time.Minute)
			var puts []int
			for _, put := range s.index.puts {
				puts = append(puts, len(put))
			}
			if !slices.Equal(puts, row.puts) || took > row.within {
				s.Errorf("got puts of %v within %v, want %v within %v", puts, took, row.puts, row.within)
			}
			s.has(messages...)
		})
	}
}

// TestFaults: whatever fails once or thrice, done or not, every message ends in
// the index or aside, and none is lost or settled too early.
func TestFaults(t *testing.T) {
	for _, done := range []bool{false, true} {
		faults := []fault{{done}, {done}, {done}}
		failing := func(which func(m bw.Message) bool) func(s *scene) {
			return func(s *scene) {
				s.index.stores = done
				s.index.takes = func(n int, m bw.Message) error {
					if n < 3 && which(m) {
						return errFault
					}
					return nil
				}
			}
		}
		for _, row := range []struct {
			name    string
			prepare func(s *scene)
		}{
			{"reading fails", func(s *scene) { s.feed.reads = faults }},
			{"settling fails", func(s *scene) { s.feed.settles = faults }},
			{"a whole batch fails", failing(func(bw.Message) bool { return true })},
			{"some of a batch fail", failing(func(m bw.Message) bool { return m.Seq%3 == 0 })},
			{"all but one of a batch fail", failing(func(m bw.Message) bool { return m.Seq != 5 })},
		} {
			act(t, fmt.Sprintf("%s, done %v", row.name, done), func(s *scene) {
				row.prepare(s)
				messages := lines(10, 10)
				s.feed.add(messages...)
				s.start()
				s.settles(5 * claimAfter)
				s.has(messages...)
			})
		}
		act(t, fmt.Sprintf("parking fails, done %v", done), func(s *scene) {
			s.feed.parks = faults
			s.index.takes = rejectThird
			messages := lines(10, 10)
			s.feed.add(messages...)
			s.start()
			s.settles(5 * claimAfter)
			s.has(slices.Delete(messages, 2, 3)...)
			if len(s.feed.parked) != 1 {
				s.Errorf("got %d entries put aside, want 1", len(s.feed.parked))
			}
		})
	}
}

func rejectThird(_ int, m bw.Message) error {
	if m.Seq == 3 {
		return fmt.Errorf("%w: it is the third", history.ErrRejected)
	}
	return nil
}

func TestRejectedMessagesAreParked(t *testing.T) {
	play(t, func(s *scene) {
		s.index.takes = rejectThird
		s.feed.add(lines(5, 10)...)
		s.start()
		if took := s.settles(time.Minute); took > time.Second {
			s.Errorf("the others were held up for %v", took)
		}
		want := history.ErrRejected.Error() + ": it is the third"
		if got := s.feed.parked["1:3"]; got != want {
			s.Errorf("got the reason %q, want %q", got, want)
		}
	})
}

// TestAnIndexThatIsAway: for ten minutes nothing is taken. Few tries are made, no
// more is held than is allowed, and then all is carried, soon and in order.
func TestAnIndexThatIsAway(t *testing.T) {
	play(t, func(s *scene) {
		const away = 10 * time.Minute
		s.index.takes = func(int, bw.Message) error { return errFault }
		messages := lines(20_000, 1000)
		s.feed.add(messages...)
		s.start()
		<-time.After(away)
		tries := 0
		s.index.change(func() { tries = len(s.index.puts) })
		if tries < 60 || tries > 200 {
			s.Errorf("got %d tries in %v, want one every 5 to 10 s", tries, away)
		}
		if got, most := s.x.metrics.bytes.Load(), int64(s.x.cfg.BatchBytes); got > most {
			s.Errorf("%d bytes are held, want at most a batch of %d", got, most)
		}
		if lag := s.x.metrics.lag(); lag < away-time.Second {
			s.Errorf("the lag is said to be %v, want %v", lag, away)
		}
		s.index.change(func() {
			s.index.puts = nil
			s.index.takes = func(int, bw.Message) error { return nil }
		})
		if took := s.settles(time.Minute); took > 15*time.Second {
			s.Errorf("it took %v to catch up", took)
		}
		s.has(messages...)
		if order := slices.Concat(s.index.puts...); !slices.IsSorted(order) {
			s.Error("the messages were put out of order")
		}
		if lag := s.x.metrics.lag(); lag != 0 {
			s.Errorf("the lag is said to be %v, want 0", lag)
		}
	})
}

// TestOneThatFailsHoldsNobodyUp: messages keep coming while one of them is not taken.
func TestOneThatFailsHoldsNobodyUp(t *testing.T) {
	play(t, func(s *scene) {
		stuck := true
		s.index.takes = func(_ int, m bw.Message) error {
			if m.Seq == 1 && stuck {
				return errFault
			}
			return nil
		}
		messages := lines(600, 10)
		s.feed.add(messages[:2]...)
		s.start()
		for _, m := range messages[2:] {
			s.feed.add(m)
			<-time.After(time.Second)
			if !s.index.has(m) {
				s.Fatalf("message %d was held up", m.Seq)
			}
		}
		tries := 0
		s.index.change(func() {
			stuck = false
			for _, put := range s.index.puts {
				if slices.Contains(put, 1) {
					tries++
				}
			}
		})
		if tries < 60 || tries > 200 {
			s.Errorf("got %d tries of the first message in ten minutes, want one every 5 to 10 s", tries)
		}
		s.settles(15 * time.Second)
		s.has(messages...)
	})
}

// TestAFullIndexerReadsNoMore: what cannot be carried is held up to a bound.
func TestAFullIndexerReadsNoMore(t *testing.T) {
	play(t, func(s *scene) {
		s.cfg.MaxBytes = 1 << 20
		s.index.takes = func(_ int, m bw.Message) error {
			if m.Seq%10 != 0 {
				return errFault
			}
			return nil
		}
		s.cfg.BatchMessages = 100
		messages := lines(5000, 1000)
		s.feed.add(messages...)
		s.start()
		<-time.After(5 * time.Minute)
		if got, most := s.x.metrics.bytes.Load(), int64(1<<20+100*(1000+overhead)); got > most {
			s.Errorf("%d bytes are held, want at most %d", got, most)
		}
		s.index.change(func() { s.index.takes = func(int, bw.Message) error { return nil } })
		s.settles(2 * time.Minute)
		s.has(messages...)
	})
}

// TestWhatIsHeldIsNotTakenTwice: the feed hands out again what takes longer than
// it likes.
func TestWhatIsHeldIsNotTakenTwice(t *testing.T) {
	play(t, func(s *scene) {
		fails := true
		s.index.takes = func(_ int, m bw.Message) error {
			if m.Seq == 1 && fails {
				return errFault
			}
			return nil
		}
		s.feed.add(lines(2, 10)...)
		s.start()
		<-time.After(10 * claimAfter)
		s.index.change(func() { fails = false })
		s.settles(time.Minute)
		for _, put := range s.index.puts {
			if len(put) > 2 || len(put) == 2 && put[0] == put[1] {
				s.Errorf("got a put of %v", put)
			}
		}
	})
}

func TestClose(t *testing.T) {
	closed := func(s *scene) time.Duration {
		began := time.Now()
		if err := s.x.Close(); err != nil {
			s.Errorf("close: %v", err)
		}
		return time.Since(began)
	}
	act(t, "finishes the batch under way", func(s *scene) {
		s.index.slow = 2 * time.Second
		messages := lines(1000, 10)
		s.feed.add(messages...)
		s.start()
		<-time.After(time.Second)
		if took := closed(s); took > time.Second {
			s.Errorf("it took %v, want the rest of the put", took)
		}
		s.has(messages...)
		if left := s.feed.left(); left != 0 {
			s.Errorf("%d entries are not settled", left)
		}
	})
	act(t, "puts what it has gathered", func(s *scene) {
		messages := lines(3, 10)
		s.feed.add(messages...)
		s.start()
		<-time.After(100 * time.Millisecond)
		if took := closed(s); took > 10*time.Millisecond {
			s.Errorf("it took %v, want none", took)
		}
		s.has(messages...)
	})
	act(t, "does not wait for an index that hangs", func(s *scene) {
		s.index.hangs = true
		s.feed.add(lines(3, 10)...)
		s.start()
		<-time.After(time.Second)
		if took := closed(s); took != 5*time.Second {
			s.Errorf("it took %v, want the grace of 5s", took)
		}
		if left := s.feed.left(); left != 3 {
			s.Errorf("got %d entries in the feed, want all 3", left)
		}
	})
	act(t, "does not wait for the next try", func(s *scene) {
		s.index.takes = func(int, bw.Message) error { return errors.New("away") }
		s.feed.add(lines(3, 10)...)
		s.start()
		<-time.After(time.Minute)
		if took := closed(s); took > 10*time.Millisecond {
			s.Errorf("it took %v, want none", took)
		}
		if took := closed(s); took > 0 {
			s.Errorf("closing again took %v", took)
		}
	})
}
