package redisbroker

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
	refusedBacklog    refusal = "backlog_full"
	refusedIDConflict refusal = "id_conflict"
)

// cause is the reason for which a room was read again from the tail; it is the
// label of the metric.
type cause string

const (
	// causeHole is a message that did not follow the last one, causeCheck a head
	// that was read and is newer than what has arrived yet, or ever will.
	causeHole      cause = "hole"
	causeCheck     cause = "check"
	causeOverflow  cause = "overflow"
	causeReconnect cause = "reconnect"
)

type metrics struct {
	batch          prometheus.Histogram
	commit         prometheus.Histogram
	failures       prometheus.Counter
	refused        *prometheus.CounterVec
	duplicates     prometheus.Counter
	dropped        *prometheus.CounterVec
	lives          *prometheus.CounterVec
	newestFailures prometheus.Counter
	resyncs        *prometheus.CounterVec
	gaps           prometheus.Counter
	subscriptions  prometheus.Counter
	parked         prometheus.Counter
	claimed        prometheus.Counter
}

// newMetrics registers the metrics; gauges read the broker when they are asked.
func newMetrics(r prometheus.Registerer, b *Broker) *metrics {
	f := promauto.With(r)
	gauge := func(name, help string, read func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: "breakwater_broker_" + name, Help: help}, read)
	}
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: "breakwater_broker_" + name, Help: help}
	}
	counter := func(name, help string) prometheus.Counter { return f.NewCounter(opts(name, help)) }
	vec := func(name, help string, reasons ...string) *prometheus.CounterVec {
		v := f.NewCounterVec(opts(name, help), []string{"reason"})
		for _, reason := range reasons {
			v.WithLabelValues(reason) // at zero from the start, for alerts
		}
		return v
	}
	gauge("queue_bytes", "Sends accepted and not answered yet, in bytes.",
		func() float64 { return float64(b.sends.size()) })
	gauge("inbox_bytes", "Messages that arrived and were not delivered yet, in bytes.",
		func() float64 { return float64(b.inboxBytes.Load()) })
	gauge("rooms", "Rooms that are followed.", func() float64 { return float64(b.roomCount()) })
	gauge("backlog_entries", "Messages of all servers that are stored and not in the history yet.",
		func() float64 { return float64(b.backlog.entries.Load()) })
	gauge("backlog_oldest_seconds", "Age of the oldest message that is not in the history yet.",
		func() float64 { return float64(b.backlog.oldest.Load()) / 1000 })
	gauge("parked_entries", "Messages that could not be indexed and were put aside.",
		func() float64 { return float64(b.backlog.parked.Load()) })
	return &metrics{
		batch: f.NewHistogram(prometheus.HistogramOpts{
			Name: "breakwater_broker_batch_messages", Help: "Messages in one pipeline.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
		commit: f.NewHistogram(prometheus.HistogramOpts{
			Name: "breakwater_broker_commit_seconds", Help: "Time that one pipeline of messages took.",
			Buckets: prometheus.ExponentialBuckets(0.000125, 2, 16),
		}),
		failures: counter("commit_failures_total", "Pipelines of messages that failed, stored or not."),
		refused: vec("refused_total", "Sends answered with an error, by reason.", string(refusedFull), string(refusedClosed),
			string(refusedLog), string(refusedBacklog), string(refusedIDConflict)),
		duplicates:     counter("duplicates_total", "Sends that had been stored before."),
		dropped:        vec("notices_dropped_total", "Notices that were not told, by reason.", string(refusedFull), string(refusedClosed), string(refusedLog)),
		lives:          vec("lives_total", "New lives of rooms, begun because the log had lost messages, by reason.", string(modeRenew), string(modeFork)),
		newestFailures: counter("newest_failures_total", "Lives begun without an answer of the history."),
		resyncs:        vec("resyncs_total", "Rooms read again from the tail, by reason.", string(causeHole), string(causeCheck), string(causeOverflow), string(causeReconnect)),
		gaps:           counter("gaps_total", "Gaps told to the receivers of a room."),
		subscriptions:  counter("subscriptions_total", "Connections of the subscription, the first one and those after a loss."),
		parked:         counter("parked_total", "Entries put aside because they can never be indexed."),
		claimed:        counter("claimed_total", "Entries taken over that somebody had not settled."),
	}
}
