package sqlite

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what an operator asks of a database that commits for many.
type metrics struct {
	commit prometheus.Histogram
	group  prometheus.Histogram
	failed prometheus.Counter
	full   prometheus.Counter
}

func newMetrics(into prometheus.Registerer, database string, waiting func() float64) (*metrics, error) {
	labels := prometheus.Labels{"database": database}
	m := &metrics{
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "breakwater_sqlite_commit_seconds", ConstLabels: labels,
			Help:    "Time that one transaction took, from its begin to its commit on disk.",
			Buckets: prometheus.ExponentialBuckets(0.0002, 2, 14),
		}),
		group: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "breakwater_sqlite_group_size", ConstLabels: labels,
			Help:    "Writes that shared one commit.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9),
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "breakwater_sqlite_commit_errors_total", ConstLabels: labels,
			Help: "Transactions that could not be committed.",
		}),
		full: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "breakwater_sqlite_refused_total", ConstLabels: labels,
			Help: "Writes refused because too many waited.",
		}),
	}
	if into == nil {
		return m, nil
	}
	queue := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "breakwater_sqlite_waiting", ConstLabels: labels,
		Help: "Writes that wait for the writer now.",
	}, waiting)
	for _, c := range []prometheus.Collector{m.commit, m.group, m.failed, m.full, queue} {
		if err := into.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of database %s: %w", database, err)
		}
	}
	return m, nil
}

func (m *metrics) observe(start time.Time, group int, err error) {
	m.commit.Observe(time.Since(start).Seconds())
	m.group.Observe(float64(group))
	if err != nil {
		m.failed.Inc()
	}
}
