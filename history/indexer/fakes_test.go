package indexer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// claimAfter is when the fake feed hands out again what nobody settled.
const claimAfter = 30 * time.Second

var errFault = errors.New("a fault of the test")

// fault is what happens instead of one call: it fails, done or not.
type fault struct{ done bool }

// fakeFeed is a feed in memory. Its faults are used up, one a call.
type fakeFeed struct {
	t       *testing.T
	durable func(bw.Message) bool // what Settle insists on

	mu                    sync.Mutex
	waiting               []broker.Entry
	handedOut             map[string]time.Time
	parked                map[string]string
	reads, settles, parks []fault
}

func (f *fakeFeed) add(messages ...bw.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range messages {
		f.waiting = append(f.waiting, broker.Entry{Key: fmt.Sprint(m.Room, ":", m.Seq), Message: m})
	}
}

func (f *fakeFeed) left() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.waiting)
}

func use(faults *[]fault) (fault, bool) {
	if len(*faults) == 0 {
		return fault{}, false
	}
	next := (*faults)[0]
	*faults = (*faults)[1:]
	return next, true
}

func (f *fakeFeed) Read(ctx context.Context, limit int) ([]broker.Entry, error) {
	for {
		if entries, err := f.take(limit); err != nil || len(entries) > 0 {
			return entries, err
		}
		select {
		case <-ctx.Done():
			return nil, bw.Unavailablef(ctx.Err(), "nothing new")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (f *fakeFeed) take(limit int) (entries []broker.Entry, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault, failing := use(&f.reads)
	if failing && !fault.done {
		return nil, bw.Unavailablef(errFault, "read")
	}
	for _, e := range f.waiting {
		if len(entries) == limit {
			break
		}
		if since, ok := f.handedOut[e.Key]; ok && time.Since(since) < claimAfter {
			continue
		}
		f.handedOut[e.Key] = time.Now()
		entries = append(entries, e)
	}
	if failing {
		return nil, bw.Unavailablef(errFault, "read")
	}
	return entries, nil
}

func (f *fakeFeed) Settle(_ context.Context, entries []broker.Entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault, failing := use(&f.settles)
	if failing && !fault.done {
		return bw.Unavailablef(errFault, "settle")
	}
	for _, e := range entries {
		if !f.durable(e.Message) {
			f.t.Errorf("message %d is settled and not durable", e.Seq)
		}
	}
	f.forget(entries...)
	if failing {
		return bw.Unavailablef(errFault, "settle")
	}
	return nil
}

func (f *fakeFeed) Park(_ context.Context, e broker.Entry, reason string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault, failing := use(&f.parks)
	if failing && !fault.done {
		return bw.Unavailablef(errFault, "park")
	}
	f.parked[e.Key] = reason
	f.forget(e)
	if failing {
		return bw.Unavailablef(errFault, "park")
	}
	return nil
}

func (f *fakeFeed) forget(entries ...broker.Entry) {
	gone := make(map[string]bool, len(entries))
	for _, e := range entries {
		gone[e.Key] = true
	}
	f.waiting = slices.DeleteFunc(f.waiting, func(e broker.Entry) bool { return gone[e.Key] })
}

// fakeIndex is an index in memory.
type fakeIndex struct {
	history.Index // what the indexer has no business with
	mu            sync.Mutex
	stored        map[bw.Seq]bw.Message
	puts          [][]bw.Seq
	at            []time.Time
	// takes tells what becomes of one message in the n-th put; nil is that it is
	// stored. stores tells whether it is stored although it fails.
	takes  func(n int, m bw.Message) error
	stores bool
	slow   time.Duration // how long a put takes
	hangs  bool          // a put ends with its context
}

func (x *fakeIndex) Put(ctx context.Context, batch []bw.Message) []error {
	errs := make([]error, len(batch))
	x.mu.Lock()
	n, hangs, slow := len(x.puts), x.hangs, x.slow
	seqs := make([]bw.Seq, len(batch))
	for i, m := range batch {
		seqs[i] = m.Seq
	}
	x.puts, x.at = append(x.puts, seqs), append(x.at, time.Now())
	x.mu.Unlock()
	if hangs {
		<-ctx.Done()
		for i := range errs {
			errs[i] = ctx.Err()
		}
		return errs
	}
	<-time.After(slow)
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, m := range batch {
		if errs[i] = x.takes(n, m); errs[i] == nil || x.stores {
			x.stored[m.Seq] = m
		}
	}
	return errs
}

func (x *fakeIndex) has(m bw.Message) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.stored[m.Seq] == m
}

func (x *fakeIndex) change(change func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change()
}

// scene is an indexer between the two fakes, in a bubble of synctest.
type scene struct {
	*testing.T
	feed  *fakeFeed
	index *fakeIndex
	cfg   Config
	x     *Indexer
}

func play(t *testing.T, script func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		index := &fakeIndex{stored: map[bw.Seq]bw.Message{}, takes: func(int, bw.Message) error { return nil }}
		feed := &fakeFeed{t: t, handedOut: map[string]time.Time{}, parked: map[string]string{}, durable: index.has}
		script(&scene{T: t, feed: feed, index: index, cfg: Config{Feed: feed, Index: index}})
	})
}

// act plays a part of a test, under its name.
func act(t *testing.T, name string, script func(s *scene)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { play(t, script) })
}

// start begins the indexing; the test ends it.
func (s *scene) start() {
	s.x = New(s.cfg)
	s.Cleanup(func() {
		if err := s.x.Close(); err != nil {
			s.Errorf("close: %v", err)
		}
	})
}

// settles waits until the feed is empty, and tells how long that took.
func (s *scene) settles(within time.Duration) time.Duration {
	s.Helper()
	began := time.Now()
	for s.feed.left() > 0 {
		if time.Since(began) > within {
			s.Fatalf("%d entries are in the feed after %v", s.feed.left(), within)
		}
		<-time.After(10 * time.Millisecond)
	}
	return time.Since(began)
}

// has checks that the index has exactly these messages.
func (s *scene) has(messages ...bw.Message) {
	s.Helper()
	for _, m := range messages {
		if !s.index.has(m) {
			s.Errorf("message %d is not in the index", m.Seq)
		}
	}
	if len(s.index.stored) != len(messages) {
		s.Errorf("got %d messages in the index, want %d", len(s.index.stored), len(messages))
	}
}

// lines makes n messages of a text's length.
func lines(n int, length int) []bw.Message {
	text := make([]byte, length)
	batch := make([]bw.Message, n)
	for i := range batch {
		batch[i] = bw.Message{
			Room: 1, Epoch: 5, Seq: bw.Seq(i + 1), ID: bw.MessageID(fmt.Sprint("id", i)), User: "ann",
			Text: string(text), Timestamp: bw.MillisOf(time.Now()),
		}
	}
	return batch
}
