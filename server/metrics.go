package server

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what an operator asks of HTTP.
type metrics struct {
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	accepted prometheus.Counter
	refused  *prometheus.CounterVec
	silent   prometheus.Gauge
	waiting  prometheus.Gauge
}

// Why a connection is closed before its request is whole: by the gate, or by
// the readers.
const (
	gateSilent        = "silent"
	gateFull          = "too_many_silent"
	gateNoDescriptors = "no_descriptors"
	gateStopping      = "stopping"
	refusedSlow       = "slow_request"
	refusedIdle       = "too_many_idle"
)

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "breakwater_http_requests_total", Help: "HTTP requests by route, method and status.",
		}, []string{"route", "method", "status"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "breakwater_http_request_seconds", Help: "From the whole request to its answer, by route.",
			Buckets: prometheus.ExponentialBuckets(0.000_25, 2, 18),
		}, []string{"route"}),
		accepted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "breakwater_accepted_connections_total", Help: "TCP connections accepted.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "breakwater_refused_connections_total", Help: "TCP connections closed before a request, by reason.",
		}, []string{"reason"}),
		silent: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "breakwater_silent_connections", Help: "TCP connections that have not sent a byte yet.",
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "breakwater_waiting_joins", Help: "Joins that were admitted and wait at the door until others are done.",
		}),
	}
	for _, reason := range []string{gateSilent, gateFull, gateNoDescriptors, gateStopping, refusedSlow, refusedIdle} {
		m.refused.WithLabelValues(reason) // at zero from the start, for alerts
	}
	reg.MustRegister(m.requests, m.latency, m.accepted, m.refused, m.silent, m.waiting)
	return m
}

func (m *metrics) request(route, method string, status int, took time.Duration) {
	switch method {
	case "GET", "HEAD", "POST":
	default:
		method = "other" // clients do not get to make labels
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	if status != 101 {
		m.latency.WithLabelValues(route).Observe(took.Seconds())
	}
}
