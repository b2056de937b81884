package mysqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	// maxOpen is what one host may ask of MySQL at once.
	maxOpen     = 32
	maxIdle     = 8
	dialTimeout = 2 * time.Second
	// maxIdleTime is below idleLimit, so that MySQL never closes a connection
	// that is about to be used.
	maxIdleTime = 5 * time.Second
	// maxLifetime lets hosts find a MySQL that has moved.
	maxLifetime = 30 * time.Minute
	// idleLimit is how many seconds MySQL waits for the next statement. Those who
	// wait for the locks of a host that was frozen wait no longer than that.
	idleLimit = "10"
	// lockLimit is how many seconds a statement waits for a lock.
	lockLimit = "2"
)

var errBadAddress = errors.New("not an address of the form user:password@tcp(host:port)/database")

// connect makes a pool of connections, whose statements are answered within that
// time, or whenever if it is 0; it dials nobody yet. What the driver finds wrong
// with an address is not told on: it may show the password.
func connect(cfg Config, answer time.Duration) (*sql.DB, error) {
	config, err := mysql.ParseDSN(cfg.DSN)
	if err != nil || config.DBName == "" {
		return nil, errBadAddress
	}
	config.Timeout, config.ReadTimeout, config.WriteTimeout = dialTimeout, answer, answer
	config.CheckConnLiveness = true
	config.RejectReadOnly = true // after a fail-over, connections to the former primary are given up
	config.MultiStatements, config.ParseTime = false, false
	config.ClientFoundRows = true   // rows that an update found, changed or not
	config.InterpolateParams = true // one round trip a statement; safe in this character set
	config.Params = map[string]string{
		"transaction_isolation":        "'READ-COMMITTED'", // no locks of gaps
		"sql_mode":                     "'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
		"time_zone":                    "'+00:00'",
		"innodb_lock_wait_timeout":     lockLimit,
		"wait_timeout":                 idleLimit,
		"range_optimizer_max_mem_size": "0", // a batch of any size is looked up by key
	}
	if err := config.Apply(mysql.Charset("utf8mb4", "utf8mb4_bin")); err != nil {
		return nil, fmt.Errorf("set the character set: %w", err)
	}
	config.Logger = &mysql.NopLogger{} // the driver's own would write to standard error
	if cfg.Logger != nil {
		config.Logger = driverLog{cfg.Logger}
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, errBadAddress
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(maxOpen)
	db.SetMaxIdleConns(maxIdle)
	db.SetConnMaxIdleTime(maxIdleTime)
	db.SetConnMaxLifetime(maxLifetime)
	return db, nil
}

// driverLog takes the driver's lines, which repeat what the errors say.
type driverLog struct{ log *slog.Logger }

// Print implements mysql.Logger.
func (l driverLog) Print(v ...any) { l.log.Debug("mysql", "said", fmt.Sprint(v...)) }
