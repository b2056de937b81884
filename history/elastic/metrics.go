package elastic

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/sony/gobreaker/v2"

	"github.com/breakwater-chat/breakwater/history"
)

type metrics struct {
	durable, rejected, failed prometheus.Counter
}

// newMetrics registers the metrics; those of the gates are read when they are asked.
func newMetrics(r prometheus.Registerer, gates ...*gate) *metrics {
	f := promauto.With(r)
	for _, g := range gates {
		labels := prometheus.Labels{"for": g.name}
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "breakwater_elastic_calls", Help: "Calls of Elasticsearch under way.", ConstLabels: labels,
		}, func() float64 { return float64(len(g.turns)) })
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "breakwater_elastic_away", Help: "1 while Elasticsearch is taken to be away and not asked.", ConstLabels: labels,
		}, func() float64 {
			if g.breaker.State() == gobreaker.StateOpen {
				return 1
			}
			return 0
		})
		f.NewCounterFunc(prometheus.CounterOpts{
			Name: "breakwater_elastic_refused_total", Help: "Calls that were not made, as Elasticsearch was away.", ConstLabels: labels,
		}, func() float64 { return float64(g.refused.Load()) })
	}
	put := f.NewCounterVec(prometheus.CounterOpts{
		Name: "breakwater_elastic_put_total", Help: "Messages put, by what became of them.",
	}, []string{"result"})
	return &metrics{
		durable:  put.WithLabelValues("durable"),
		rejected: put.WithLabelValues("rejected"),
		failed:   put.WithLabelValues("failed"),
	}
}

func (m *metrics) count(errs []error) {
	for _, err := range errs {
		switch {
		case err == nil:
			m.durable.Inc()
		case errors.Is(err, history.ErrRejected):
			m.rejected.Inc()
		default:
			m.failed.Inc()
		}
	}
}
