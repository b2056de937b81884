package redisbroker_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/broker/redisbroker"
)

// subject is a broker under test with its metrics.
type subject struct {
	*testing.T
	*redisbroker.Broker
	metrics *prometheus.Registry
}

func open(t *testing.T, cfg redisbroker.Config) *subject {
	t.Helper()
	s := &subject{T: t, metrics: prometheus.NewRegistry()}
	cfg.Registerer = s.metrics
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	if cfg.URL == "" {
		cfg.URL = server.URL
	}
	b, err := redisbroker.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	s.Broker = b
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func openThree(t *testing.T, cfg redisbroker.Config) []*subject {
	t.Helper()
	return []*subject{open(t, cfg), open(t, cfg), open(t, cfg)}
}

// metric is the value of a counter or gauge, summed over its labels.
func (s *subject) metric(name string) float64 {
	s.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		s.Fatalf("gather metrics: %v", err)
	}
	for _, family := range families {
		if family.GetName() != "breakwater_broker_"+name {
			continue
		}
		sum := 0.0
		for _, m := range family.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
		return sum
	}
	s.Fatalf("no metric %q", name)
	return 0
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// key names a key of the log as ARCHITECTURE.md and docs/adr do.
func key(kind string, room bw.RoomID) string {
	return fmt.Sprintf("{breakwater:%d}:%s:%d", room%16, kind, room)
}

func logKey(room bw.RoomID) string { return fmt.Sprintf("{breakwater:%d}:log", room%16) }

// readLog reads a room's tail past the brokers.
func readLog(ctx context.Context, room bw.RoomID, after bw.Seq, limit int) ([]bw.Message, error) {
	from := strconv.FormatInt(int64(after)+1, 10)
	records, err := raw.XRangeN(ctx, key("tail", room), from, "+", int64(limit)).Result()
	if err != nil {
		return nil, err
	}
	var messages []bw.Message
	for _, record := range records {
		messages = append(messages, decode(record.Values["m"].(string)))
	}
	return messages, nil
}

// decode reads a record of the log by itself, so that a change of the layout,
// which would make old logs unreadable, does not go unseen.
func decode(record string) bw.Message {
	b := []byte(record)
	word := func(at int) int64 { return int64(binary.BigEndian.Uint64(b[at:])) }
	m := bw.Message{
		Epoch: bw.Epoch(word(1)), Seq: bw.Seq(word(9)), Timestamp: bw.Millis(word(17)), Room: bw.RoomID(word(33)),
	}
	rest := b[41:]
	next := func() string {
		length, n := binary.Uvarint(rest)
		s := string(rest[n : n+int(length)])
		rest = rest[n+int(length):]
		return s
	}
	m.ID, m.User = bw.MessageID(next()), bw.Name(next())
	m.Text = string(rest)
	return m
}

var rooms struct {
	sync.Mutex
	next bw.RoomID
}

// newRoom is a room that was made just now.
func (s *subject) newRoom() bw.RoomID {
	s.Helper()
	rooms.Lock()
	rooms.next++
	room := rooms.next
	rooms.Unlock()
	if err := s.Begin(s.Context(), room); err != nil {
		s.Fatalf("begin room %d: %v", room, err)
	}
	return room
}

type answer struct {
	broker.Ack
	err error
}

// begin sends without waiting for the answer.
func (s *subject) begin(room bw.RoomID, id string) <-chan answer {
	answers := make(chan answer, 2)
	s.Send(broker.Send{Room: room, User: "ann", ID: bw.MessageID(id), Text: "text of " + id},
		func(a broker.Ack, err error) { answers <- answer{a, err} })
	return answers
}

// send sends and wants an ack. What a busy machine or a slow disk kept from being
// answered in time is sent again, and its ack is that of the first try.
func (s *subject) send(room bw.RoomID, id string) broker.Ack {
	s.Helper()
	a := <-s.begin(room, id)
	for deadline := time.Now().Add(patience); bw.KindOf(a.err) == bw.Unavailable && time.Now().Before(deadline); {
		<-time.After(20 * time.Millisecond)
		a = <-s.begin(room, id)
		a.Duplicate = false
	}
	if a.err != nil {
		s.Fatalf("send %q: %v", id, a.err)
	}
	return a.Ack
}

// untilAcked repeats a send as a client does; it fails if an answer takes long,
// or if the first one already says that it is a repeat.
func (s *subject) untilAcked(room bw.RoomID, id string) broker.Ack {
	deadline := time.Now().Add(patience)
	for first := true; ; first = false {
		start := time.Now()
		a := <-s.begin(room, id)
		if took := time.Since(start); took > time.Second+slack {
			s.Errorf("send %q: answered after %v, want within a second", id, took)
		}
		if a.err == nil {
			if first && a.Duplicate {
				s.Errorf("send %q: got a duplicate, want the ack of a new message", id)
			}
			return a.Ack
		}
		if bw.KindOf(a.err) != bw.Unavailable || time.Now().After(deadline) {
			s.Errorf("send %q: %v", id, a.err)
			return broker.Ack{}
		}
		<-time.After(20 * time.Millisecond)
	}
}

// slack is what a busy machine adds to the second in which a send is answered, and
// outage is longer than both: who would wait for its end is noticed.
const (
	slack  = 2 * time.Second
	outage = 4 * time.Second
)

// event is a call of a receiver: a message, or a gap.
type event struct {
	bw.Message
	gap bool
	// from is the first seq of a gap; its last one is Message.Seq.
	from bw.Seq
}

// listener is a receiver that keeps what it gets.
type listener struct {
	t            *testing.T
	start        bw.Position
	subscription broker.Subscription

	mu     sync.Mutex
	events []event
}

func (s *subject) listen(room bw.RoomID) *listener {
	s.Helper()
	l := &listener{t: s.T}
	var err error
	if l.subscription, l.start, err = s.Subscribe(s.Context(), room, l); err != nil {
		s.Fatalf("subscribe: %v", err)
	}
	s.Cleanup(l.subscription.Close)
	return l
}

func (l *listener) Deliver(batch []bw.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range batch {
		l.events = append(l.events, event{Message: m})
	}
}

func (l *listener) Gap(epoch bw.Epoch, from, to bw.Seq) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, event{Message: bw.Message{Epoch: epoch, Seq: to}, gap: true, from: from})
}

func (l *listener) Notify(broker.Notice) {}

// all is everything so far, checked: each event follows the one before.
func (l *listener) all() []event {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.start
	for i, e := range l.events {
		from := e.Seq
		if e.gap {
			from = e.from
		}
		if from != last.Seq+1 || e.Epoch != last.Epoch && !e.gap {
			l.t.Fatalf("event %d after %+v: got %+v, want it to follow", i, last, e)
		}
		last = e.Position()
	}
	return append([]event(nil), l.events...)
}

// upTo waits until a position is reached and gives all events.
func (l *listener) upTo(at bw.Position) []event {
	l.t.Helper()
	eventually(l.t, fmt.Sprintf("delivery up to %+v", at), func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for i := len(l.events) - 1; i >= 0; i-- {
			if l.events[i].Position() == at {
				return true
			}
		}
		return l.start == at
	})
	return l.all()
}

// messages are the messages among events.
func messages(events []event) []bw.Message {
	var all []bw.Message
	for _, e := range events {
		if !e.gap {
			all = append(all, e.Message)
		}
	}
	return all
}

// gaps are the gaps among events.
func gaps(events []event) []event {
	var all []event
	for _, e := range events {
		if e.gap {
			all = append(all, e)
		}
	}
	return all
}
