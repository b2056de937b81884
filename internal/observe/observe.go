// Package observe measures what a server's dependencies take and how often
// they fail, at the contracts: the same two metrics whatever stands behind them.
package observe

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// Meter measures calls. A failure is one of the dependency, not of the caller:
// that a name is taken is an answer, and so is that a lease is lost.
type Meter struct {
	seconds  *prometheus.HistogramVec
	failures *prometheus.CounterVec
}

// NewMeter makes a meter that reports to a registry.
func NewMeter(reg prometheus.Registerer) *Meter {
	m := &Meter{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "breakwater_dependency_seconds", Help: "What a call of a dependency took.",
			Buckets: prometheus.ExponentialBuckets(0.000_1, 2, 18), // 0.1 ms to 13 s
		}, []string{"dependency", "operation"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "breakwater_dependency_errors_total", Help: "Calls of a dependency that it could not answer.",
		}, []string{"dependency", "operation"}),
	}
	reg.MustRegister(m.seconds, m.failures)
	return m
}

// dependency is one of them by name.
type dependency struct {
	name  string
	meter *Meter
}

// start begins a call; what it returns ends it with the call's error.
func (d dependency) start(operation string) func(error) {
	began := time.Now()
	return func(err error) {
		d.meter.seconds.WithLabelValues(d.name, operation).Observe(time.Since(began).Seconds())
		failures := d.meter.failures.WithLabelValues(d.name, operation) // there from the first call on
		kind := bw.KindOf(err)
		if (kind == bw.Unavailable || kind == bw.Internal) && !errors.Is(err, store.ErrFenced) {
			failures.Inc()
		}
	}
}

// call does one call that brings a value.
func call[T any](d dependency, operation string, do func() (T, error)) (T, error) {
	end := d.start(operation)
	value, err := do()
	end(err)
	return value, err
}
