package indexer

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	bw "github.com/breakwater-chat/breakwater"
)

type metrics struct {
	indexed, parked, retried, unsettled prometheus.Counter
	batch                               prometheus.Histogram

	// What gauges show of the items that are held.
	oldest, bytes atomic.Int64
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "breakwater_indexer_" + name, Help: help})
	}
	m := &metrics{
		indexed:   counter("indexed_total", "Messages that became durable in the history."),
		parked:    counter("parked_total", "Messages put aside, as the history will never take them."),
		retried:   counter("retried_total", "Messages that the history did not take and that are tried again."),
		unsettled: counter("unsettled_total", "Indexed messages that the log could not be told about, which it hands out again."),
		batch: f.NewHistogram(prometheus.HistogramOpts{
			Name: "breakwater_indexer_batch_messages", Help: "Messages put at once.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}),
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "breakwater_indexer_lag_seconds", Help: "Age of the oldest message that is being indexed; 0 if there is none.",
	}, func() float64 { return m.lag().Seconds() })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "breakwater_indexer_pending_bytes", Help: "What is held in memory until it is in the history, in bytes.",
	}, func() float64 { return float64(m.bytes.Load()) })
	return m
}

// note remembers what is held, for the gauges.
func (m *metrics) note(p *pending) {
	m.oldest.Store(int64(p.oldest()))
	m.bytes.Store(int64(p.bytes))
}

func (m *metrics) lag() time.Duration {
	oldest := bw.Millis(m.oldest.Load())
	if oldest == 0 {
		return 0
	}
	return max(0, time.Since(oldest.Time()))
}
