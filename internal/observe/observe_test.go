package observe_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/internal/observe"
	"github.com/breakwater-chat/breakwater/store"
)

// slow takes a second for everything and answers with an error.
type slow struct {
	store.Store
	broker.Broker
	err error
}

func (s slow) FindRoom(context.Context, bw.RoomID) (store.RoomCount, error) {
	<-time.After(time.Second)
	return store.RoomCount{Users: 3}, s.err
}

func (s slow) Renew(context.Context, store.Identity, time.Duration) error { return s.err }

func (s slow) Send(_ broker.Send, done func(broker.Ack, error)) {
	time.AfterFunc(time.Second, func() { done(broker.Ack{Duplicate: true}, s.err) })
}

func (s slow) ReadPage(context.Context, history.PageQuery) (history.Page, error) {
	return history.Page{More: true}, s.err
}

func (s slow) Search(context.Context, history.SearchQuery) (history.SearchResult, error) {
	return history.SearchResult{}, s.err
}

func (s slow) Healthy(context.Context) error { return s.err }
func (s slow) Close() error                  { return s.err }

func TestFailuresAreThoseOfTheDependency(t *testing.T) {
	for _, row := range []struct {
		name string
		err  error
		want float64
	}{
		{"none", nil, 0},
		{"an answer that is a refusal", bw.Errorf(bw.NoSuchRoom, "no"), 0},
		{"it does not answer", bw.Unavailablef(errors.New("down"), "down"), 1},
		{"a defect", errors.New("oops"), 1},
		{"a lost lease", store.ErrFenced, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg := prometheus.NewRegistry()
				m := observe.NewMeter(reg)
				s, b, h := m.Store(slow{err: row.err}), m.Broker(slow{err: row.err}), m.History(slow{err: row.err})
				operation := "renew"
				if err := s.Renew(t.Context(), store.Identity{}, 0); !errors.Is(err, row.err) {
					t.Errorf("got error %v, want %v passed on", err, row.err)
				}
				if !errors.Is(row.err, store.ErrFenced) {
					operation = "find_room"
					if found, err := s.FindRoom(t.Context(), 1); found.Users != 3 || !errors.Is(err, row.err) {
						t.Errorf("got %+v and %v, want the answer and %v passed on", found, err, row.err)
					}
				}
				answered := make(chan error, 1)
				b.Send(broker.Send{}, func(_ broker.Ack, err error) { answered <- err })
				if err := <-answered; !errors.Is(err, row.err) {
					t.Errorf("got %v, want %v passed on", err, row.err)
				}
				if page, err := h.ReadPage(t.Context(), history.PageQuery{}); !page.More || !errors.Is(err, row.err) {
					t.Errorf("got %+v and %v, want the page and %v passed on", page, err, row.err)
				}
				if got := value(t, reg, "breakwater_dependency_errors_total", "store", operation); got != row.want {
					t.Errorf("got %v failures of %s, want %v", got, operation, row.want)
				}
			})
		})
	}
}

func TestASendTakesUntilItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		answered := make(chan error, 1)
		observe.NewMeter(reg).Broker(slow{}).Send(broker.Send{}, func(_ broker.Ack, err error) { answered <- err })
		<-answered
		if got := value(t, reg, "breakwater_dependency_seconds", "broker", "send"); got != 1 {
			t.Errorf("got %v s, want 1 s", got)
		}
	})
}

// value is that of one series: a counter, or the sum of a histogram.
func value(t *testing.T, reg *prometheus.Registry, name, dependency, operation string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && m.GetLabel()[0].GetValue() == dependency && m.GetLabel()[1].GetValue() == operation {
				return m.GetCounter().GetValue() + m.GetHistogram().GetSampleSum()
			}
		}
	}
	t.Fatalf("got no %s of %s %s", name, dependency, operation)
	return 0
}
