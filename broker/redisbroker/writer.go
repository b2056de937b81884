package redisbroker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/internal/ablation"
)

const (
	// rest is the pause before what could not be stored is tried again.
	rest = 10 * time.Millisecond
	// trialEvery is the pause between two trials of a log that fails.
	trialEvery = 50 * time.Millisecond
)

// request is a send that has been accepted. It is answered once: by the writer,
// or when its time is over, by its timer, even if it is in a pipeline then.
type request struct {
	broker.Send
	done  func(broker.Ack, error)
	timer *time.Timer
	// nonce tells the request from another one for the same message.
	nonce [8]byte
	// claimed is by the one who answers, answered by done having returned.
	claimed, answered atomic.Bool
}

// cost is roughly what a request takes in memory.
func (r *request) cost() int {
	const fields = 256
	return fields + len(r.ID) + len(r.User) + len(r.Text)
}

// writer is the goroutine that stores messages: whatever waits goes into one
// pipeline, and what comes meanwhile into the next. As there is one pipeline at
// a time, the sends of a room keep their order. What failed is tried again until
// its time is over: the log knows what it has, so nothing is stored twice.
type writer struct {
	b *Broker
	// waiting is taken and not answered yet, the oldest first.
	waiting []*request
	// failing is since when nothing could be stored; zero while it can.
	failing time.Time
}

// run works until the queue is closed and everything is answered.
func (w *writer) run() {
	for {
		taken, open := w.b.sends.take()
		w.waiting = append(w.waiting, taken...)
		w.forgetAnswered()
		switch {
		case !open && len(w.waiting) == 0:
			return
		case !w.failing.IsZero():
			if err := w.trial(); err != nil {
				w.report(err)
				<-time.After(trialEvery)
				continue
			}
		case len(w.waiting) == 0:
			<-w.b.sends.wake
			continue
		}
		again, err := w.attempt()
		w.report(err)
		if again {
			<-time.After(rest)
		}
	}
}

// forgetAnswered lets go of what needs no more work.
func (w *writer) forgetAnswered() {
	kept := w.waiting[:0]
	for _, r := range w.waiting {
		if r.answered.Load() {
			w.b.sends.release(r.cost())
		} else {
			kept = append(kept, r)
		}
	}
	clear(w.waiting[len(kept):])
	w.waiting = kept
}

// trial finds out whether the log can be written, before anybody's message is
// risked for it, and brings the script back that a restart of Redis has lost.
func (w *writer) trial() error {
	ctx, cancel := w.context()
	defer cancel()
	pipe := w.b.writes.Pipeline()
	pipe.ScriptLoad(ctx, sendSource)
	pipe.Set(ctx, w.b.keys.probe, "", time.Minute)
	_, err := pipe.Exec(ctx)
	return err
}

// context bounds one round trip, so that a second one fits into a send's time.
func (w *writer) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), w.b.cfg.SendTimeout/2)
}

// attempt sends the oldest as one pipeline and answers what has an answer. again
// says that something has none; an error, that nothing has.
func (w *writer) attempt() (again bool, err error) {
	batch := w.batch()
	if len(batch) == 0 {
		return false, nil
	}
	w.b.metrics.batch.Observe(float64(len(batch)))
	ctx, cancel := w.context()
	defer cancel()
	start := time.Now()
	pipe := w.b.writes.Pipeline()
	cmds := make([]*redis.Cmd, len(batch))
	for i, r := range batch {
		cmds[i] = w.b.command(ctx, pipe, r)
	}
	// Each command has its own error.
	_, _ = pipe.Exec(ctx)
	w.b.metrics.commit.Observe(time.Since(start).Seconds())
	works := false
	for i, r := range batch {
		answer, failed := parseReply(cmds[i])
		if failed != nil {
			again, err = true, failed
			continue
		}
		works = true
		again = !w.b.settle(r, answer) || again
	}
	if err != nil {
		w.b.metrics.failures.Inc()
	}
	if works {
		return again, nil
	}
	return again, fmt.Errorf("store %d messages: %w", len(batch), err)
}

// batch is what goes into the next pipeline.
func (w *writer) batch() []*request {
	bytes := 0
	for i, r := range w.waiting {
		bytes += r.cost()
		if i == w.b.cfg.BatchMessages || (i > 0 && bytes > w.b.cfg.BatchBytes) {
			return w.waiting[:i]
		}
	}
	return w.waiting
}

// command is one send.
func (b *Broker) command(ctx context.Context, pipe redis.Pipeliner, r *request) *redis.Cmd {
	s := &r.Send
	seen := b.seen.of(s.Room)
	log := b.keys.log(partitionOf(s.Room))
	id := s.ID
	if ablation.Off(ablation.Dedupe) {
		id = bw.MessageID(rand.Text())
	}
	return sendScript.EvalSha(ctx, pipe,
		[]string{b.keys.meta(s.Room), b.keys.tail(s.Room), log, b.keys.sent(s.Room, s.User, id)},
		int64(seen.Epoch), int64(seen.Seq), appendBody(nil, s), fingerprint([]byte(s.Text)),
		bw.DedupeWindow.Milliseconds(), b.cfg.BacklogEntries,
		b.cfg.TailMessages, b.cfg.TailAge.Milliseconds(), b.cfg.TailBytes, b.keys.channel(s.Room), r.nonce[:])
}

// settle answers a request as the log did; false leaves it for another attempt.
func (b *Broker) settle(r *request, answer reply) bool {
	ack := broker.Ack{Position: answer.Position, Timestamp: bw.Millis(answer.extra)}
	if answer.verdict <= backlogFull {
		r.timer.Stop()
	}
	switch answer.verdict {
	case stored:
		b.seen.raise(r.Room, ack.Position, ack.Timestamp)
		r.answer(ack, nil)
	case repeated:
		ack.Duplicate = true
		b.metrics.duplicates.Inc()
		r.answer(ack, nil)
	case conflicting:
		b.metrics.refused.WithLabelValues(string(refusedIDConflict)).Inc()
		r.answer(broker.Ack{}, bw.Errorf(bw.IDConflict, "this id has been used for another text"))
	case backlogFull:
		b.metrics.refused.WithLabelValues(string(refusedBacklog)).Inc()
		r.answer(broker.Ack{}, b.unavailable(nil, "too many messages wait for the history"))
	case tailAhead:
		b.renew(ask{room: r.Room, mode: modeFork, seen: sighting{Position: answer.Position}})
		return false
	default:
		b.renew(ask{room: r.Room, mode: modeRenew})
		return false
	}
	return true
}

// answer calls done unless somebody else does.
func (r *request) answer(ack broker.Ack, err error) bool {
	if r.claimed.Swap(true) {
		return false
	}
	r.done(ack, err)
	r.answered.Store(true)
	return true
}

// expire answers a request whose time is over.
func (b *Broker) expire(r *request) {
	if r.answer(broker.Ack{}, b.unavailable(nil, "the message cannot be stored now")) {
		b.metrics.refused.WithLabelValues(string(refusedLog)).Inc()
	}
}

// report keeps what the log's last word was, for Healthy, and logs the changes:
// one line an outage, not one a message.
func (w *writer) report(err error) {
	switch {
	case err != nil:
		if w.failing.IsZero() {
			w.failing = time.Now()
			if !isNoScript(errors.Unwrap(err)) {
				w.b.cfg.Logger.Warn("message log fails: sends are refused", "error", err)
			}
		}
		w.b.failure.Store(&failure{err: err, since: w.failing})
	case !w.failing.IsZero():
		w.b.cfg.Logger.Info("message log works again", "after", time.Since(w.failing).Round(time.Millisecond))
		w.failing = time.Time{}
		w.b.failure.Store(nil)
	}
}

// failure is what the log's last word was, and since when it says nothing else.
type failure struct {
	err   error
	since time.Time
}
