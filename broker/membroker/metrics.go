package membroker

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// refusal is the reason for which something was not done; it is the label of
// the metric.
type refusal string

const (
	accepted          refusal = ""
	refusedFull       refusal = "queue_full"
	refusedClosed     refusal = "closed"
	refusedLog        refusal = "log_failed"
	refusedIDConflict refusal = "id_conflict"
)

type metrics struct {
	batch      prometheus.Histogram
	commit     prometheus.Histogram
	failures   prometheus.Counter
	refused    *prometheus.CounterVec
	duplicates prometheus.Counter
	lookups    prometheus.Counter
	dropped    *prometheus.CounterVec
}

// newMetrics registers the metrics; gauges read the broker when they are asked.
func newMetrics(r prometheus.Registerer, b *Broker) *metrics {
	f := promauto.With(r)
	gauge := func(name, help string, read func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: "breakwater_broker_" + name, Help: help}, read)
	}
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: "breakwater_broker_" + name, Help: help}
	}
	vec := func(name, help string, reasons ...refusal) *prometheus.CounterVec {
		v := f.NewCounterVec(counter(name, help), []string{"reason"})
		for _, reason := range reasons {
			v.WithLabelValues(string(reason)) // at zero from the start, for alerts
		}
		return v
	}
	gauge("queue_bytes", "Sends accepted and not answered yet, in bytes.",
		func() float64 { return float64(b.sends.size()) })
	gauge("tail_bytes", "Messages kept in memory for playback, in bytes.",
		func() float64 { return float64(b.tailBytes()) })
	gauge("rooms", "Rooms whose head is in memory.",
		func() float64 { return float64(b.roomCount()) })
	return &metrics{
		batch: f.NewHistogram(prometheus.HistogramOpts{
			Name: "breakwater_broker_batch_messages", Help: "Messages stored by one commit.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
		commit: f.NewHistogram(prometheus.HistogramOpts{
			Name: "breakwater_broker_commit_seconds", Help: "Time that one commit to the log took.",
			Buckets: prometheus.ExponentialBuckets(0.000125, 2, 16),
		}),
		failures:   f.NewCounter(counter("commit_failures_total", "Commits that failed, stored or not.")),
		refused:    vec("refused_total", "Sends answered with an error, by reason.", refusedFull, refusedClosed, refusedLog, refusedIDConflict),
		duplicates: f.NewCounter(counter("duplicates_total", "Sends that had been stored before.")),
		lookups:    f.NewCounter(counter("dedupe_lookups_total", "Sends for which the log had to be asked whether it has them.")),
		dropped:    vec("notices_dropped_total", "Notices that were not told, by reason.", refusedFull, refusedClosed),
	}
}
