package redisbroker_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/broker/redisbroker"
)

// emptyFeed begins a test with nothing in any log.
func emptyFeed(t *testing.T) { flush(t) }

// read reads n entries.
func (s *subject) read(n int) []broker.Entry {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	var all []broker.Entry
	for len(all) < n {
		entries, err := s.Read(ctx, n-len(all))
		if err != nil {
			s.Fatalf("read after %d of %d entries: %v", len(all), n, err)
		}
		all = append(all, entries...)
	}
	return all
}

// wait reads what comes first, of whatever partition.
func (s *subject) wait() []broker.Entry {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	entries, err := s.Read(ctx, 100)
	if err != nil {
		s.Errorf("read: got %d entries, %v", len(entries), err)
	}
	return entries
}

// wantNothing reads for a moment.
func (s *subject) wantNothing(when string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 300*time.Millisecond)
	defer cancel()
	if entries, err := s.Read(ctx, 100); len(entries) > 0 || bw.KindOf(err) != bw.Unavailable {
		s.Fatalf("read %s: got %+v, %v, want nothing until the context ends", when, entries, err)
	}
}

func (s *subject) settle(entries []broker.Entry) {
	s.Helper()
	if err := s.Settle(s.Context(), entries); err != nil {
		s.Fatalf("settle: %v", err)
	}
}

// messagesOf are the messages of entries, by room and seq.
func messagesOf(entries []broker.Entry) []bw.Message {
	var all []bw.Message
	for _, e := range entries {
		all = append(all, e.Message)
	}
	slices.SortFunc(all, byPlace)
	return all
}

func byPlace(a, b bw.Message) int {
	return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(a.Seq, b.Seq))
}

// fill sends n messages to each of some rooms.
func (s *subject) fill(rooms, n int) (sent []bw.Message) {
	s.Helper()
	for range rooms {
		room := s.newRoom()
		for i := range n {
			s.send(room, fmt.Sprint(i))
		}
		log, err := readLog(s.Context(), room, 0, n)
		if err != nil {
			s.Fatalf("read the log: %v", err)
		}
		sent = append(sent, log...)
	}
	return sent
}

func TestFeedHandsOutEverythingOnce(t *testing.T) {
	emptyFeed(t)
	b, other := open(t, redisbroker.Config{}), open(t, redisbroker.Config{})
	sent := b.fill(20, 7)
	// A busy partition gets more than its share, a small limit what it asks for.
	room := sent[0].Room
	for i := range 100 {
		b.send(room, fmt.Sprint("more ", i))
	}
	log, err := readLog(t.Context(), room, 7, 100)
	if err != nil {
		t.Fatal(err)
	}
	sent = append(sent, log...)
	entries := append(b.read(3), other.read(len(sent)-13)...)
	entries = append(entries, b.read(10)...)
	slices.SortFunc(sent, func(a, b bw.Message) int {
		return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(a.Seq, b.Seq))
	})
	wantSame(t, "entries", messagesOf(entries), sent)
	b.wantNothing("after everything was read")
	b.settle(entries)
	b.settle(entries)
	for p := range 16 {
		if n := raw.XLen(t.Context(), logKey(bw.RoomID(p))).Val(); n != 0 {
			t.Errorf("log of partition %d after everything was settled: got %d entries, want none", p, n)
		}
	}
}

// A read that waits gets what comes.
func TestFeedWaits(t *testing.T) {
	emptyFeed(t)
	b := open(t, redisbroker.Config{})
	room := b.newRoom()
	read := make(chan []broker.Entry)
	go func() { read <- b.wait() }()
	<-time.After(100 * time.Millisecond)
	sent := b.send(room, "1")
	if entries := <-read; len(entries) != 1 || entries[0].Position() != sent.Position {
		t.Errorf("read: got %+v, want %+v", entries, sent)
	}
}

// A consumer dies with entries in its hands.
func TestFeedClaimsFromTheDead(t *testing.T) {
	emptyFeed(t)
	const claimAfter = 200 * time.Millisecond
	dying, heir := open(t, redisbroker.Config{}), open(t, redisbroker.Config{ClaimAfter: claimAfter})
	sent := dying.fill(3, 10)
	held := dying.read(len(sent))
	dying.settle(held[:5])
	dying.Close()
	// Each is settled before it could be claimed from the heir himself.
	var entries []broker.Entry
	for len(entries) < len(sent)-5 && !t.Failed() {
		claimed := heir.wait()
		heir.settle(claimed)
		entries = append(entries, claimed...)
	}
	wantSame(t, "claimed", messagesOf(entries), messagesOf(held[5:]))
	<-time.After(2 * claimAfter)
	heir.wantNothing("after everything was settled")
}

// The negative control of the above: what is held is nobody else's meanwhile.
func TestFeedDoesNotClaimFromTheLiving(t *testing.T) {
	emptyFeed(t)
	b, other := open(t, redisbroker.Config{}), open(t, redisbroker.Config{})
	sent := b.fill(1, 5)
	b.read(len(sent))
	other.wantNothing("while another one holds everything")
}

// Redis hands entries out, and its answer is lost. They are nobody else's, and would be claimed
// in an hour; the consumer has them as soon as it can read again, with what it holds.
func TestFeedReadsALostAnswerAgain(t *testing.T) {
	emptyFeed(t)
	c := newCable(t)
	cfg := redisbroker.Config{ClaimAfter: time.Hour}
	near := open(t, cfg)
	cfg.URL, cfg.Consumer = c.URL, "far"
	far := open(t, cfg)
	held := near.fill(2, 5)
	far.read(len(held))
	end := c.swallow("downstream")
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		_, err := far.Read(ctx, 100)
		ended <- err
	}()
	lost := near.fill(1, 1)
	if err := <-ended; bw.KindOf(err) != bw.Unavailable {
		t.Fatalf("read whose answer is lost: got %v, want unavailable", err)
	}
	eventually(t, "the entry in the hands of who does not know", func() bool {
		if raw.XPending(t.Context(), logKey(lost[0].Room), "history").Val().Consumers["far"] > 0 {
			return true
		}
		_, _ = far.Read(ctx, 100) // it was not at Redis yet
		return false
	})
	near.wantNothing("while another one holds everything")
	end()
	again := map[string]broker.Entry{} // more than once, if a connection that is dead was among those of a reading
	eventually(t, "everything again", func() bool {
		entries, _ := far.Read(ctx, 4)
		for _, e := range entries {
			again[e.Key] = e
		}
		return len(again) == len(held)+len(lost)
	})
	want, got := append(held, lost...), slices.Collect(maps.Values(again))
	slices.SortFunc(want, byPlace)
	wantSame(t, "read again", messagesOf(got), want)
	far.settle(got)
	far.wantNothing("after everything was settled")
}

// Who comes back under its name goes on with what it held.
func TestFeedGoesOnAfterARestart(t *testing.T) {
	emptyFeed(t)
	cfg := redisbroker.Config{ClaimAfter: time.Hour, Consumer: "server-1"}
	first := open(t, cfg)
	sent := first.fill(3, 4)
	first.settle(first.read(len(sent))[:2])
	first.Close()
	if got := len(open(t, cfg).read(len(sent) - 2)); got != len(sent)-2 {
		t.Errorf("entries of the life before: got %d, want %d", got, len(sent)-2)
	}
}

func TestFeedParks(t *testing.T) {
	emptyFeed(t)
	b := open(t, redisbroker.Config{ClaimAfter: 100 * time.Millisecond, CheckEvery: 50 * time.Millisecond})
	sent := b.fill(1, 2)
	entries := b.read(2)
	if err := b.Park(t.Context(), entries[0], "the index does not take it"); err != nil {
		t.Fatalf("park: %v", err)
	}
	// What cannot even be read goes the same way.
	if err := raw.Do(t.Context(), "XADD", logKey(sent[0].Room), "*", "m", "rubbish").Err(); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "handed out again", messagesOf(b.read(1)), sent[1:])
	b.settle(entries[1:])
	<-time.After(200 * time.Millisecond)
	b.wantNothing("after one was parked")
	stream := fmt.Sprintf("{breakwater:%d}:parked", sent[0].Room%16)
	parked, err := raw.XRange(t.Context(), stream, "-", "+").Result()
	if err != nil || len(parked) != 2 {
		t.Fatalf("parked: got %+v, %v, want two", parked, err)
	}
	if got := decode(parked[0].Values["m"].(string)); got != sent[0] || parked[0].Values["reason"] != "the index does not take it" {
		t.Errorf("parked: got %+v of %+v, want %+v with the reason", got, parked[0], sent[0])
	}
	eventually(t, "the metric of what is parked", func() bool { return b.metric("parked_entries") == 2 })
}

// Redis loses the group, with the data or without.
func TestFeedAfterItsGroupIsGone(t *testing.T) {
	emptyFeed(t)
	b := open(t, redisbroker.Config{})
	b.settle(b.read(len(b.fill(1, 3))))
	flush(t)
	sent := b.fill(2, 5)
	wantSame(t, "after a flush", messagesOf(b.read(len(sent))), sent)
	// While a read waits.
	read := make(chan []broker.Entry)
	go func() { read <- b.wait() }()
	<-time.After(100 * time.Millisecond)
	flush(t)
	room := b.newRoom()
	b.send(room, "1")
	if got := <-read; len(got) != 1 || got[0].Room != room {
		t.Errorf("read over a flush: got %+v, want the message of room %d", got, room)
	}
}

// When the history takes nothing, sends are refused at the bound and go on behind it.
func TestBacklogIsBounded(t *testing.T) {
	emptyFeed(t)
	const bound = 20
	b := open(t, redisbroker.Config{BacklogEntries: bound, CheckEvery: 50 * time.Millisecond, SendTimeout: patience})
	room := b.newRoom()
	for i := range bound {
		b.send(room, fmt.Sprint(i))
	}
	if a := <-b.begin(room, "too many"); bw.KindOf(a.err) != bw.Unavailable {
		t.Fatalf("send at the bound: got %+v, want %s", a, bw.Unavailable)
	}
	// A repeat is no new entry.
	if a := b.send(room, "3"); !a.Duplicate {
		t.Errorf("repeat at the bound: got %+v, want a duplicate", a)
	}
	eventually(t, "the metric of the backlog", func() bool { return b.metric("backlog_entries") == bound })
	eventually(t, "the metric of its age", func() bool { return b.metric("backlog_oldest_seconds") > 0.05 })
	b.settle(b.read(1))
	b.send(room, "too many")
	if err := b.Healthy(t.Context()); err != nil {
		t.Errorf("health: got %v, want none", err)
	}
}
