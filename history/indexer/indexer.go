// Package indexer carries what the log has stored into the durable history.
//
// Invariants:
//
//   - An entry is settled only after the index said that its message is durable,
//     and parked only after the index said that it will never take it. Whatever
//     else happens, the feed still has it.
//   - Carrying an entry twice changes nothing: the index knows messages by name.
//   - While the index is away one batch waits, tries again, and nothing more is
//     read. An entry that alone cannot be carried waits by itself.
package indexer

import (
	"context"
	"sync"
	"time"
)

// Indexer carries entries until it is closed. Any number of them, on any number
// of servers, may share a feed.
type Indexer struct {
	cfg     Config
	metrics *metrics

	// reading ends when Close is called, working a grace later.
	reading, working context.Context
	stop, abort      context.CancelFunc
	done             chan struct{}
	closing          sync.Once

	// What follows belongs to run.
	pending   pending
	feedFails int // reads that failed in a row
	putFails  int // batches of which the index took nothing, in a row
}

// New begins to carry entries.
func New(cfg Config) *Indexer {
	x := &Indexer{
		cfg: cfg.withDefaults(), metrics: newMetrics(cfg.Registerer), done: make(chan struct{}),
		pending: pending{keys: make(map[string]struct{})},
	}
	x.reading, x.stop = context.WithCancel(context.Background())
	x.working, x.abort = context.WithCancel(context.Background())
	go x.run()
	return x
}

// Close ends the carrying. A batch under way is finished if that takes no longer
// than Config.Grace; what is not settled then is the feed's to hand out again.
func (x *Indexer) Close() error {
	x.closing.Do(func() {
		x.stop()
		timer := time.AfterFunc(x.cfg.Grace, x.abort)
		<-x.done
		timer.Stop()
		x.abort()
	})
	<-x.done
	return nil
}

func (x *Indexer) run() {
	defer close(x.done)
	for x.reading.Err() == nil {
		if batch := x.gather(); len(batch) > 0 {
			x.carry(batch)
			x.metrics.note(&x.pending)
		}
	}
}

// gather reads until there is a batch to put. It is empty only at the end.
func (x *Indexer) gather() []*item {
	var end time.Time // of the gathering, once there is something
	for {
		now := time.Now()
		batch, full := x.pending.batch(now, x.cfg.BatchMessages, x.cfg.BatchBytes)
		if len(batch) > 0 && end.IsZero() {
			end = now.Add(x.cfg.GatherFor)
		}
		if full || x.reading.Err() != nil || len(batch) > 0 && !now.Before(end) {
			return batch
		}
		until := end
		if due, ok := x.pending.nextDue(); until.IsZero() && ok {
			until = due
		}
		if x.pending.bytes >= x.cfg.MaxBytes {
			x.wait(until.Sub(now))
		} else {
			x.read(now, until, x.cfg.BatchMessages-len(batch))
		}
	}
}

// read takes entries from the feed, or waits until a time; the zero time is any.
func (x *Indexer) read(now, until time.Time, limit int) {
	patience := x.cfg.FeedTimeout
	if !until.IsZero() {
		patience = min(patience, until.Sub(now))
	}
	ctx, cancel := context.WithTimeout(x.reading, patience)
	defer cancel()
	entries, err := x.cfg.Feed.Read(ctx, limit)
	x.pending.add(entries, time.Now())
	x.metrics.note(&x.pending)
	switch {
	case err == nil:
		if x.feedFails > 0 {
			x.cfg.Logger.Info("the log of new messages can be read again")
		}
		x.feedFails = 0
	case ctx.Err() == nil:
		if x.feedFails++; x.feedFails == 1 {
			x.cfg.Logger.Warn("the log of new messages cannot be read: the history falls behind", "error", err)
		}
		pause := x.backoff(x.feedFails)
		if !until.IsZero() {
			pause = min(pause, time.Until(until))
		}
		x.wait(pause)
	}
}
