package membroker

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config sizes a broker. A zero field takes the default named with it.
type Config struct {
	// QueueBytes bounds what was accepted and not answered yet (16 MiB). Beyond
	// it a send is refused at once.
	QueueBytes int
	// NoticeBytes bounds the notices that wait for their fan-out (1 MiB).
	NoticeBytes int
	// BatchMessages (512) and BatchBytes (1 MiB) bound one commit.
	BatchMessages, BatchBytes int

	// TailMessages (1,000) and TailBytes (1 MiB) bound what is kept in memory of
	// one room, AllTailsBytes (64 MiB) of all rooms together.
	TailMessages, TailBytes, AllTailsBytes int
	// IdleRooms is the number of rooms without subscribers whose head is
	// remembered (1,024).
	IdleRooms int
	// RecentBytes is the size of the memory of recent sends (16 MiB, touched as
	// it is needed). A smaller one asks the log more often, never wrongly.
	RecentBytes int

	// LogTimeout is the time that one call to the log may take (10 s).
	LogTimeout time.Duration
	// SettleEvery is the pause between two attempts to find out what a failed
	// commit has left behind (250 ms).
	SettleEvery time.Duration
	// StallAfter is how long one batch may take before the broker calls itself
	// unhealthy (2 s).
	StallAfter time.Duration
	// RetryAfter goes with every Unavailable (1 s).
	RetryAfter time.Duration

	// Registerer takes the metrics; nil keeps them unregistered.
	Registerer prometheus.Registerer
	// Logger gets one line when the log begins to fail and one when it is well
	// again; nil discards them.
	Logger *slog.Logger
	// Now is the clock (time.Now). It may go backwards; timestamps will not.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	c.QueueBytes = cmp.Or(c.QueueBytes, 16<<20)
	c.NoticeBytes = cmp.Or(c.NoticeBytes, 1<<20)
	c.BatchMessages = cmp.Or(c.BatchMessages, 512)
	c.BatchBytes = cmp.Or(c.BatchBytes, 1<<20)
	c.TailMessages = cmp.Or(c.TailMessages, 1000)
	c.TailBytes = cmp.Or(c.TailBytes, 1<<20)
	c.AllTailsBytes = cmp.Or(c.AllTailsBytes, 64<<20)
	c.IdleRooms = cmp.Or(c.IdleRooms, 1024)
	c.RecentBytes = cmp.Or(c.RecentBytes, 16<<20)
	c.LogTimeout = cmp.Or(c.LogTimeout, 10*time.Second)
	c.SettleEvery = cmp.Or(c.SettleEvery, 250*time.Millisecond)
	c.StallAfter = cmp.Or(c.StallAfter, 2*time.Second)
	c.RetryAfter = cmp.Or(c.RetryAfter, time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
