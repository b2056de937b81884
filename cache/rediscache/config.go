package rediscache

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says where the cache is. A zero field takes the default named with it.
type Config struct {
	// URL is the address of Redis, redis://user:password@host:port/database or
	// rediss://. It must be given.
	URL string
	// Prefix begins every key ("breakwater:cache:"). Caches with one prefix are
	// views of one cache.
	Prefix string
	// Timeout is how long Redis may take to answer (1 s). It is this process's time: on
	// a machine that is busy with a storm a quick answer may be read late, and what is
	// given up then is asked of the databases instead.
	Timeout time.Duration
	// Rest is how long calls fail at once after it has not (500 ms); then one
	// batch of them tries again.
	Rest time.Duration
	// Registerer takes the metrics; nil keeps them unregistered.
	Registerer prometheus.Registerer
	// Log gets a line when Redis stops answering and one when it is back; nil
	// discards them.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Prefix = cmp.Or(c.Prefix, "breakwater:cache:")
	c.Timeout = cmp.Or(c.Timeout, time.Second)
	c.Rest = cmp.Or(c.Rest, 500*time.Millisecond)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	if c.URL == "" {
		return errors.New("the address of Redis is missing")
	}
	return nil
}
