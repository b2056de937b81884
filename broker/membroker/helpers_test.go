package membroker_test

import (
	"context"
	"sync"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/broker/membroker"
	"github.com/prometheus/client_golang/prometheus"
)

const room, otherRoom bw.RoomID = 7, 8

// subject is a broker under test, its log and its metrics.
type subject struct {
	*testing.T
	*membroker.Broker
	log     *fakeLog
	metrics *prometheus.Registry
}

func open(t *testing.T, cfg membroker.Config, log *fakeLog) *subject {
	t.Helper()
	registry := prometheus.NewRegistry()
	cfg.Registerer = registry
	s := &subject{t, membroker.New(cfg, log), log, registry}
	t.Cleanup(s.close)
	return s
}

func (s *subject) close() {
	if err := s.Close(); err != nil {
		s.Errorf("close: %v", err)
	}
}

type answer struct {
	broker.Ack
	err error
}

// begin sends without waiting for the answer.
func (s *subject) begin(room bw.RoomID, id bw.MessageID, text string) <-chan answer {
	answers := make(chan answer, 1)
	s.Send(broker.Send{Room: room, User: "ann", ID: id, Text: text},
		func(a broker.Ack, err error) { answers <- answer{a, err} })
	return answers
}

// want sends and compares the answer: kind "" wants an ack of that seq.
func (s *subject) want(id bw.MessageID, text string, kind bw.Kind, seq bw.Seq, duplicate bool) answer {
	s.Helper()
	got := <-s.begin(room, id, text)
	if bw.KindOf(got.err) != kind || got.Seq != seq || got.Duplicate != duplicate {
		s.Fatalf("send %q: got %+v, want kind %q, seq %d, duplicate %v", id, got, kind, seq, duplicate)
	}
	return got
}

// eventually waits in the time of the bubble.
func (s *subject) eventually(what string, condition func() bool) {
	s.Helper()
	for range 1000 {
		if condition() {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	s.Fatalf("%s: not within 100 s", what)
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

// listener is a receiver that passes on what it gets. Its channels are roomy, so
// that it never blocks.
type listener struct {
	start    bw.Position
	messages chan bw.Message
	gaps     chan gap
	notices  chan broker.Notice
}

type gap struct {
	epoch    bw.Epoch
	from, to bw.Seq
}

func (s *subject) listen(room bw.RoomID) *listener {
	s.Helper()
	const roomy = 1 << 14
	l := &listener{
		messages: make(chan bw.Message, roomy), gaps: make(chan gap, roomy), notices: make(chan broker.Notice, roomy),
	}
	subscription, start, err := s.Subscribe(context.Background(), room, l)
	if err != nil {
		s.Fatalf("subscribe: %v", err)
	}
	s.Cleanup(subscription.Close)
	l.start = start
	return l
}

func (l *listener) Deliver(batch []bw.Message) {
	for _, m := range batch {
		l.messages <- m
	}
}
func (l *listener) Gap(epoch bw.Epoch, from, to bw.Seq) { l.gaps <- gap{epoch, from, to} }
func (l *listener) Notify(n broker.Notice)              { l.notices <- n }

// next waits for a delivery.
func (l *listener) next(t *testing.T, seq bw.Seq, id bw.MessageID) {
	t.Helper()
	select {
	case m := <-l.messages:
		if m.Seq != seq || m.ID != id {
			t.Fatalf("delivered: got seq %d, id %q, want %d, %q", m.Seq, m.ID, seq, id)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("seq %d, id %q: not delivered", seq, id)
	}
}

// clock is a clock that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.UnixMilli(1_700_000_000_000)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
