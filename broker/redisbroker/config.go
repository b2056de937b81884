package redisbroker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
)

// Config says where the log is and sizes the broker. A zero field takes the
// default named with it.
type Config struct {
	// URL is the address of Redis, redis://user:password@host:port/database or
	// rediss://. It must be given.
	URL string
	// Prefix begins the name of every key and channel ("breakwater"). Brokers
	// with one prefix share one log.
	Prefix string
	// Consumer names this server among the readers of the feed (a random name).
	// Redis remembers each name, so a server should keep its own.
	Consumer string
	// Newest tells the newest message of a room in the durable history; zero for
	// a room without any. It is asked when the log has forgotten a room, and only
	// guards against clocks that went back: without an answer chat goes on. Nil
	// for none.
	Newest func(context.Context, bw.RoomID) (bw.Position, error)

	// QueueBytes bounds what was accepted and not answered yet (16 MiB). Beyond
	// it a send is refused at once.
	QueueBytes int
	// NoticeBytes bounds the notices that wait to be told (1 MiB).
	NoticeBytes int
	// InboxBytes bounds what has arrived for the receivers of one room and is
	// not delivered yet (1 MiB), AllInboxBytes that of all rooms (64 MiB). What is
	// beyond is read again from the tail.
	InboxBytes, AllInboxBytes int
	// BatchMessages (512) and BatchBytes (1 MiB) bound one pipeline of sends.
	BatchMessages, BatchBytes int

	// TailMessages (1,000) and TailAge (10 min) are what the tail of a room keeps
	// at least; beyond TailBytes (16 MiB) it keeps less.
	TailMessages int
	TailAge      time.Duration
	TailBytes    int
	// BacklogEntries bounds what one partition has stored and the feed has not
	// settled (262,144, less than 1,048,576); at the bound sends are refused.
	BacklogEntries int

	// SendTimeout is the time in which every send is answered (800 ms).
	SendTimeout time.Duration
	// ReadTimeout bounds one read of the log (2 s).
	ReadTimeout time.Duration
	// NewestTimeout bounds one call of Newest (300 ms, less than SendTimeout).
	NewestTimeout time.Duration
	// CheckEvery is the pause between two looks for messages that were not
	// announced (5 s, give or take a fifth).
	CheckEvery time.Duration
	// ProbeEvery is the pause between two probes of the subscription (1 s). When
	// nothing comes for three of them it counts as dead.
	ProbeEvery time.Duration
	// Linger is how long a room is followed after its last receiver left (1 s).
	Linger time.Duration
	// ClaimAfter is how long an entry of the feed may stay unsettled before it is
	// handed out again (30 s).
	ClaimAfter time.Duration
	// RetryAfter goes with every Unavailable (1 s).
	RetryAfter time.Duration

	// Registerer takes the metrics; nil keeps them unregistered.
	Registerer prometheus.Registerer
	// Logger gets a line when something begins to fail and one when it is well
	// again; nil discards them.
	Logger *slog.Logger
}

// leap is how far a new life begins above what is known of its room when the
// clock cannot be trusted: more than can be stored of it and not be in the
// history yet. It is in head.lua, too.
const leap = 1 << 20

func (c Config) withDefaults() Config {
	c.Prefix = cmp.Or(c.Prefix, "breakwater")
	c.Consumer = cmp.Or(c.Consumer, randomName())
	c.QueueBytes = cmp.Or(c.QueueBytes, 16<<20)
	c.NoticeBytes = cmp.Or(c.NoticeBytes, 1<<20)
	c.InboxBytes = cmp.Or(c.InboxBytes, 1<<20)
	c.AllInboxBytes = cmp.Or(c.AllInboxBytes, 64<<20)
	c.BatchMessages = cmp.Or(c.BatchMessages, 512)
	c.BatchBytes = cmp.Or(c.BatchBytes, 1<<20)
	c.TailMessages = cmp.Or(c.TailMessages, 1000)
	c.TailAge = cmp.Or(c.TailAge, 10*time.Minute)
	c.TailBytes = cmp.Or(c.TailBytes, 16<<20)
	c.BacklogEntries = cmp.Or(c.BacklogEntries, 1<<18)
	c.SendTimeout = cmp.Or(c.SendTimeout, 800*time.Millisecond)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, 2*time.Second)
	c.NewestTimeout = cmp.Or(c.NewestTimeout, 300*time.Millisecond)
	c.CheckEvery = cmp.Or(c.CheckEvery, 5*time.Second)
	c.ProbeEvery = cmp.Or(c.ProbeEvery, time.Second)
	c.Linger = cmp.Or(c.Linger, time.Second)
	c.ClaimAfter = cmp.Or(c.ClaimAfter, 30*time.Second)
	c.RetryAfter = cmp.Or(c.RetryAfter, time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c *Config) validate() error {
	switch {
	case c.URL == "":
		return errors.New("the address of Redis is missing")
	case strings.ContainsAny(c.Prefix, "{}"):
		return errors.New("the prefix of the keys must not have braces")
	case c.BacklogEntries < 1 || c.BacklogEntries >= leap:
		return fmt.Errorf("a partition's backlog is bounded by 1 to %d entries, not %d", leap-1, c.BacklogEntries)
	}
	return nil
}
