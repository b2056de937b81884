package live

import (
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// metrics are what an operator asks of the connections and rooms of a server.
type metrics struct {
	connections   prometheus.Gauge
	rooms         prometheus.Gauge
	queued        atomic.Int64 // memory of what is in all outboxes
	logBytes      prometheus.Gauge
	framesIn      *prometheus.CounterVec
	messagesIn    prometheus.Counter
	messagesOut   prometheus.Counter
	bytesOut      prometheus.Counter
	delivery      prometheus.Histogram
	ackLatency    prometheus.Histogram
	closes        *prometheus.CounterVec
	errors        *prometheus.CounterVec
	drops         *prometheus.CounterVec
	gaps          prometheus.Counter
	joins         *prometheus.CounterVec
	joinLatency   prometheus.Histogram
	refusals      *prometheus.CounterVec
	memberBatch   prometheus.Histogram
	memberLatency prometheus.Histogram
	memberErrors  prometheus.Counter
	reentries     prometheus.Counter
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
	// Values that are known from the start are there from the start, at zero: an
	// alert on what never happened before must see it happen.
	vec := func(name, help, label string, values ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "breakwater_" + name, Help: help}, []string{label})
		reg.MustRegister(v)
		for _, value := range values {
			v.WithLabelValues(value)
		}
		return v
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "breakwater_" + name, Help: help, Buckets: buckets})
		reg.MustRegister(h)
		return h
	}
	m := &metrics{
		connections:   gauge("connections", "Open WebSocket connections."),
		rooms:         gauge("rooms", "Rooms with a member on this server."),
		logBytes:      gauge("room_log_bytes", "Memory of the frames that rooms keep for members who have not been written them."),
		framesIn:      vec("frames_in_total", "Client frames by type.", "type", wire.TypeJoin, wire.TypeLeave, wire.TypeSend, wire.TypeTyping, wire.TypeHistory, malformed),
		messagesIn:    counter("messages_in_total", "Sends accepted from clients."),
		messagesOut:   counter("messages_out_total", "Messages written to connections."),
		bytesOut:      counter("bytes_out_total", "Bytes written to connections."),
		delivery:      histogram("delivery_seconds", "From the storing of a message to the last write of it to the room's ready members.", seconds),
		ackLatency:    histogram("ack_seconds", "From a send's arrival to its answer.", seconds),
		closes:        vec("closes_total", "Closed connections by reason.", "reason", closeReasons()...),
		errors:        vec("errors_total", "Error frames by code.", "code", errorCodes()...),
		drops:         vec("drops_total", "What was dropped without being delivered, by reason.", "reason", dropEnded, dropTyping),
		gaps:          counter("slow_gaps_total", "Gaps told to members who had fallen too far behind."),
		joins:         vec("joins_total", "Joins by result: fresh, recovered, reset (a resume that could not be), failed.", "result", joinFresh, joinRecovered, joinReset, joinFailed),
		joinLatency:   histogram("join_seconds", "From a join's arrival to its answer.", seconds),
		refusals:      vec("admission_refused_total", "Joins refused before they cost anything, by reason.", "reason", string(bw.Draining), string(bw.Unavailable), string(bw.Overloaded)),
		memberBatch:   histogram("membership_batch_size", "Joins and leaves written to the store at once.", prometheus.ExponentialBuckets(1, 2, 11)),
		memberLatency: histogram("membership_write_seconds", "What a batch of joins and leaves took the store.", seconds),
		memberErrors:  counter("membership_errors_total", "Batches of joins and leaves that the store refused."),
		reentries:     counter("membership_reentries_total", "Memberships that were entered again because the server was declared dead while it lived."),
	}
	reg.MustRegister(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Name: "breakwater_queue_bytes", Help: "Memory of the answers and pages that wait for slow clients."},
		func() float64 { return float64(m.queued.Load()) },
	))
	return m
}

// Labels of what happens, beside the types of frames and the codes of closes.
const (
	malformed = "malformed"

	dropEnded  = "connection_ended"
	dropTyping = "typing_flood"

	joinFresh     = "fresh"
	joinRecovered = "recovered"
	joinReset     = "reset"
	joinFailed    = "failed"

	closeLost  = "lost"  // without a close frame of either side
	closeOther = "other" // a code of the client's own
)

// knownCloses are the codes that have a label of their own.
var knownCloses = [...]wire.CloseCode{
	wire.CloseNormal, wire.CloseGoingAway, wire.CloseProtocolError, wire.CloseUnsupportedData, wire.CloseNoStatus,
	wire.CloseInvalidUTF8, wire.CloseMessageTooBig, wire.CloseInternalError, wire.CloseMalformedFrames,
	wire.CloseTokenExpired, wire.CloseSlowConsumer, wire.CloseOverloaded, wire.CloseRateLimited, wire.CloseSilent,
	wire.CloseDraining, wire.CloseFenced, wire.CloseResync,
}

// errorCodes are those that the contract has for error frames.
func errorCodes() []string {
	var all []string
	for _, kind := range []bw.Kind{
		bw.BadJSON, bw.UnknownType, bw.UnknownField, bw.TextTooLong, bw.EmptyText, bw.IDConflict, bw.RateLimited,
		bw.NotInRoom, bw.NoSuchRoom, bw.Unavailable, bw.Internal,
	} {
		all = append(all, string(kind))
	}
	return all
}

func closeReasons() []string {
	all := []string{closeLost, closeOther}
	for _, code := range knownCloses {
		all = append(all, code.String())
	}
	return all
}

func (m *metrics) closed(code wire.CloseCode) {
	reason := closeOther
	switch {
	case code == 0:
		reason = closeLost
	case slices.Contains(knownCloses[:], code):
		reason = code.String()
	}
	m.closes.WithLabelValues(reason).Inc()
}
