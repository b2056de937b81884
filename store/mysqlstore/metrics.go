package mysqlstore

import (
	"database/sql"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what an operator asks of a store that many servers share.
type metrics struct {
	repeated prometheus.Counter
}

func newMetrics(into prometheus.Registerer, db *sql.DB) (*metrics, error) {
	m := &metrics{repeated: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "breakwater_mysql_repeated_total",
		Help: "Transactions done again because MySQL had rolled them back for the sake of others.",
	})}
	if into == nil {
		return m, nil
	}
	gauge := func(name, help string, value func(sql.DBStats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "breakwater_mysql_" + name, Help: help},
			func() float64 { return value(db.Stats()) })
	}
	waited := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "breakwater_mysql_wait_seconds_total",
		Help: "Time that calls have waited for a connection, because all were in use.",
	}, func() float64 { return db.Stats().WaitDuration.Seconds() })
	for _, c := range []prometheus.Collector{
		m.repeated, waited,
		gauge("connections", "Connections to MySQL.", func(s sql.DBStats) float64 { return float64(s.OpenConnections) }),
		gauge("connections_in_use", "Connections that work now.", func(s sql.DBStats) float64 { return float64(s.InUse) }),
	} {
		if err := into.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of MySQL: %w", err)
		}
	}
	return m, nil
}
