package live

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/breakwater-chat/breakwater/wire"
)

// metrics are what an operator asks of the connections and rooms of a server.
type metrics struct {
	connections   prometheus.Gauge
	rooms         prometheus.Gauge
	queueBytes    prometheus.Gauge
	framesIn      *prometheus.CounterVec
	messagesIn    prometheus.Counter
	messagesOut   prometheus.Counter
	bytesOut      prometheus.Counter
	delivery      prometheus.Histogram
	ackLatency    prometheus.Histogram
	closes        *prometheus.CounterVec
	errors        *prometheus.CounterVec
	drops         *prometheus.CounterVec
	joins         *prometheus.CounterVec
	joinLatency   prometheus.Histogram
	playbackReads *prometheus.CounterVec
	memberBatch   prometheus.Histogram
	memberLatency prometheus.Histogram
	memberErrors  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	seconds := prometheus.ExponentialBuckets(0.000_25, 2, 18) // 0.25 ms to 33 s
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "breakwater_" + name, Help: help})
		reg.MustRegister(g)
		return g
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "breakwater_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "breakwater_" + name, Help: help}, []string{label})
		reg.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "breakwater_" + name, Help: help, Buckets: buckets})
		reg.MustRegister(h)
		return h
	}
	return &metrics{
		connections:   gauge("connections", "Open WebSocket connections."),
		rooms:         gauge("rooms", "Rooms with a member on this server."),
		queueBytes:    gauge("queue_bytes", "Bytes of answers that wait for slow connections."),
		framesIn:      vec("frames_in_total", "Client frames by type.", "type"),
		messagesIn:    counter("messages_in_total", "Sends accepted from clients."),
		messagesOut:   counter("messages_out_total", "Messages written to connections."),
		bytesOut:      counter("bytes_out_total", "Bytes written to connections."),
		delivery:      histogram("delivery_seconds", "From the storing of a message to the last write of it to the room's ready members.", seconds),
		ackLatency:    histogram("ack_seconds", "From a send's arrival to its answer.", seconds),
		closes:        vec("closes_total", "Closed connections by reason.", "reason"),
		errors:        vec("errors_total", "Error frames by code.", "code"),
		drops:         vec("drops_total", "What was dropped without being delivered, by reason.", "reason"),
		joins:         vec("joins_total", "Joins by result: fresh, recovered, reset (a resume that could not be), failed.", "result"),
		joinLatency:   histogram("join_seconds", "From a join's arrival to its answer.", seconds),
		playbackReads: vec("playback_reads_total", "Where the messages of a join came from: the room itself, the broker's tail, the history.", "source"),
		memberBatch:   histogram("membership_batch_size", "Joins and leaves written to the store at once.", prometheus.ExponentialBuckets(1, 2, 11)),
		memberLatency: histogram("membership_write_seconds", "What a batch of joins and leaves took the store.", seconds),
		memberErrors:  counter("membership_errors_total", "Batches of joins and leaves that the store refused."),
	}
}

// lost is the label of connections that ended without a close frame of either side.
const lost = "lost"

func (m *metrics) closed(code wire.CloseCode) {
	if code == 0 {
		m.closes.WithLabelValues(lost).Inc()
		return
	}
	m.closes.WithLabelValues(code.String()).Inc()
}
