package indexer

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/history"
)

// Config says what is carried, and in which portions. Zero fields have defaults,
// except Feed and Index.
type Config struct {
	Feed  broker.Feed
	Index history.Index

	// A batch is put when it has BatchMessages or BatchBytes, or when it has been
	// gathered for GatherFor; 1,000, 5 MiB and 200 ms.
	BatchMessages int
	BatchBytes    int
	GatherFor     time.Duration
	// MaxBytes bounds what is held and not settled, 32 MiB: above it nothing is
	// read. One read more may come on top.
	MaxBytes int
	// MinBackoff and MaxBackoff are the first and the longest wait before
	// something is tried again; 250 ms and 10 s, each spread at random between
	// half of it and the whole.
	MinBackoff, MaxBackoff time.Duration
	// PutTimeout and FeedTimeout bound one call; 60 and 10 s.
	PutTimeout, FeedTimeout time.Duration
	// Grace is how long a batch under way when Close is called may take; 5 s.
	Grace time.Duration

	Registerer prometheus.Registerer // nil registers no metrics
	Logger     *slog.Logger          // nil logs nothing
}

func (c Config) withDefaults() Config {
	c.BatchMessages = cmp.Or(c.BatchMessages, 1000)
	c.BatchBytes = cmp.Or(c.BatchBytes, 5<<20)
	c.GatherFor = cmp.Or(c.GatherFor, 200*time.Millisecond)
	c.MaxBytes = cmp.Or(c.MaxBytes, 32<<20)
	c.MinBackoff = cmp.Or(c.MinBackoff, 250*time.Millisecond)
	c.MaxBackoff = cmp.Or(c.MaxBackoff, 10*time.Second)
	c.PutTimeout = cmp.Or(c.PutTimeout, time.Minute)
	c.FeedTimeout = cmp.Or(c.FeedTimeout, 10*time.Second)
	c.Grace = cmp.Or(c.Grace, 5*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
