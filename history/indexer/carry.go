package indexer

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/history"
)

// carry puts a batch and does for each item what its outcome asks for.
func (x *Indexer) carry(batch []*item) {
	x.put(batch)
	var durable, rejected, failed []*item
	for _, i := range batch {
		switch {
		case i.err == nil:
			durable = append(durable, i)
		case errors.Is(i.err, history.ErrRejected):
			rejected = append(rejected, i)
		default:
			failed = append(failed, i)
		}
	}
	x.metrics.retried.Add(float64(len(failed)))
	// A batch of which nothing was taken says that the index is away, unless all
	// of it was left over when others were taken.
	fresh := slices.ContainsFunc(batch, func(i *item) bool { return i.fails == 0 })
	if len(failed) == len(batch) && fresh {
		x.away(failed[0].err)
		return
	}
	if x.putFails > 0 {
		x.putFails = 0
		x.cfg.Logger.Info("the history takes messages again")
	}
	if len(failed) > 0 {
		x.cfg.Logger.Warn("the history does not take some messages now", "count", len(failed), "error", failed[0].err)
	}
	x.settle(durable)
	x.park(rejected)
	x.postpone(failed...)
	x.pending.drop()
}

// put sets what became of each item.
func (x *Indexer) put(batch []*item) {
	messages := make([]bw.Message, len(batch))
	for n, i := range batch {
		messages[n] = i.Message
	}
	ctx, cancel := context.WithTimeout(x.working, x.cfg.PutTimeout)
	defer cancel()
	for n, err := range x.cfg.Index.Put(ctx, messages) {
		batch[n].err = err
	}
	x.metrics.batch.Observe(float64(len(batch)))
}

// away waits before a batch of which the index took nothing is tried again.
func (x *Indexer) away(err error) {
	if x.putFails++; x.putFails == 1 {
		x.cfg.Logger.Warn("the history takes no messages: it falls behind", "error", err)
	}
	x.wait(x.backoff(x.putFails))
}

// settle lets the feed forget what is durable. If it cannot, it hands the entries
// out again, and the index will say again that it has them.
func (x *Indexer) settle(durable []*item) {
	if len(durable) == 0 {
		return
	}
	x.metrics.indexed.Add(float64(len(durable)))
	entries := make([]broker.Entry, len(durable))
	for n, i := range durable {
		entries[n], i.letGo = i.Entry, true
	}
	ctx, cancel := context.WithTimeout(x.working, x.cfg.FeedTimeout)
	defer cancel()
	if err := x.cfg.Feed.Settle(ctx, entries); err != nil {
		x.metrics.unsettled.Add(float64(len(entries)))
		x.cfg.Logger.Warn("the log of new messages was not told that some are in the history", "count", len(entries), "error", err)
	}
}

// park puts aside what the index will never take.
func (x *Indexer) park(rejected []*item) {
	for _, i := range rejected {
		ctx, cancel := context.WithTimeout(x.working, x.cfg.FeedTimeout)
		err := x.cfg.Feed.Park(ctx, i.Entry, i.err.Error())
		cancel()
		if err != nil {
			x.cfg.Logger.Warn("a message that the history rejects was not put aside", "entry", i.Key, "error", err)
			x.postpone(i)
			continue
		}
		i.letGo = true
		x.metrics.parked.Inc()
	}
}

// postpone holds items until they are tried again, each the later the more often it failed.
func (x *Indexer) postpone(items ...*item) {
	for _, i := range items {
		i.fails++
		i.due = time.Now().Add(x.backoff(i.fails))
	}
}

// backoff is the wait after that many failures in a row.
func (x *Indexer) backoff(fails int) time.Duration {
	pause := x.cfg.MaxBackoff
	if doublings := fails - 1; doublings < 30 {
		pause = min(pause, x.cfg.MinBackoff<<doublings)
	}
	return pause/2 + rand.N(pause/2+1)
}

// wait rests, but not beyond the end of reading.
func (x *Indexer) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-x.reading.Done():
	}
}
