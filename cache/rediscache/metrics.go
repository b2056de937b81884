package rediscache

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// operation names what was asked of Redis; it is the label of the metric.
type operation string

const (
	opGet    operation = "get"
	opSet    operation = "set"
	opMark   operation = "mark"
	opDelete operation = "delete"
	opLock   operation = "lock"
	opUnlock operation = "unlock"
)

type metrics struct {
	hits, misses prometheus.Counter
	errors       *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: "breakwater_cache_" + name, Help: help}
	}
	m := &metrics{
		hits:   f.NewCounter(counter("hits_total", "Values that were in the shared cache.")),
		misses: f.NewCounter(counter("misses_total", "Values that were not in the shared cache.")),
		errors: f.NewCounterVec(counter("errors_total", "Calls of the shared cache that failed, by operation."), []string{"operation"}),
	}
	for _, o := range []operation{opGet, opSet, opMark, opDelete, opLock, opUnlock} {
		m.errors.WithLabelValues(string(o)) // at zero from the start, for alerts
	}
	return m
}
