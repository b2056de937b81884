// Package membroker is the broker of a single process: it orders the messages
// of all rooms, has them stored durably in a Log, and fans them out to the
// receivers of its own process.
//
// A message's way: Send puts it into a queue; the sequencer, one goroutine,
// takes whatever waits as one batch, drops duplicates, gives seqs and
// timestamps, commits the batch in one go, answers the senders, and delivers to
// the receivers. What arrives during a commit is the next batch, so the busier
// it is the fewer commits a message costs.
//
// When a commit has failed nobody knows whether the batch is in the log. Its
// rooms are in doubt then: before the next seq is given the broker asks the log
// for their heads, and delivers what it finds.
package membroker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// Broker implements broker.Broker over a Log. Make one with New.
type Broker struct {
	cfg     Config
	log     Log
	metrics *metrics
	started time.Time
	sends   *queue[request]
	notices *queue[broker.Notice]
	// running is the sequencer and the notifier.
	running sync.WaitGroup

	// busySince is how old the broker was when the sequencer took the batch at hand; 0
	// while it waits.
	busySince atomic.Int64
	// failure is what the log's last word was; nil while it works.
	failure atomic.Pointer[error]

	mu    sync.Mutex // guards the rest, and the parts of a room that say so
	rooms map[bw.RoomID]*room
	// idle are the rooms that nobody holds.
	idle  map[bw.RoomID]struct{}
	tails tails
}

var _ broker.Broker = (*Broker)(nil)

// request is a send that has been accepted: done must be called.
type request struct {
	broker.Send
	done func(broker.Ack, error)
}

// cost is roughly what a request takes in memory.
func (r *request) cost() int {
	const fields = 128
	return fields + len(r.ID) + len(r.User) + len(r.Text)
}

// New starts a broker over the log. Close stops it; the log stays the caller's,
// who closes it after the broker.
func New(cfg Config, log Log) *Broker {
	cfg = cfg.withDefaults()
	b := &Broker{
		cfg: cfg, log: log, started: cfg.Now(),
		sends: newQueue[request](cfg.QueueBytes), notices: newQueue[broker.Notice](cfg.NoticeBytes),
		rooms: map[bw.RoomID]*room{}, idle: map[bw.RoomID]struct{}{},
		tails: newTails(cfg),
	}
	b.metrics = newMetrics(cfg.Registerer, b)
	b.running.Go(newSequencer(b).run)
	b.running.Go(b.tellNotices)
	return b
}

// Send implements broker.Broker. The broker keeps the strings of s for as long
// as the message is in a tail: they must not be parts of larger buffers.
func (b *Broker) Send(s broker.Send, done func(broker.Ack, error)) {
	r := request{Send: s, done: done}
	why := b.sends.put(r, r.cost())
	if why == accepted {
		return
	}
	b.metrics.refused.WithLabelValues(string(why)).Inc()
	if why == refusedClosed {
		done(broker.Ack{}, b.unavailable(nil, "the server is stopping"))
		return
	}
	done(broker.Ack{}, b.unavailable(nil, "too many messages wait to be stored"))
}

// Begin implements broker.Broker: the log forgets no room.
func (b *Broker) Begin(context.Context, bw.RoomID) error { return nil }

// Healthy implements broker.Broker.
func (b *Broker) Healthy(context.Context) error {
	if b.sends.isClosed() {
		return b.unavailable(nil, "the broker is closed")
	}
	if err := b.failure.Load(); err != nil {
		return b.unavailable(*err, "messages cannot be stored now")
	}
	since := b.busySince.Load()
	if since != 0 && b.age()-since > int64(b.cfg.StallAfter) {
		return b.unavailable(nil, "storing messages takes too long")
	}
	if b.sends.size() >= b.cfg.QueueBytes*9/10 {
		return b.unavailable(nil, "too many messages wait to be stored")
	}
	return nil
}

// age is the time since the broker began, in nanoseconds, at least 1. It does not jump
// with the wall clock.
func (b *Broker) age() int64 { return max(1, int64(b.cfg.Now().Sub(b.started))) }

// Close implements broker.Broker. Every call waits for the end.
func (b *Broker) Close() error {
	b.sends.close()
	b.notices.close()
	b.running.Wait()
	return nil
}

func (b *Broker) unavailable(cause error, detail string) *bw.Error {
	return &bw.Error{Kind: bw.Unavailable, Detail: detail, RetryAfter: b.cfg.RetryAfter, Err: cause}
}

// context bounds one call to the log.
func (b *Broker) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), b.cfg.LogTimeout)
}

func (b *Broker) tailBytes() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tails.bytes
}

func (b *Broker) roomCount() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.rooms)
}
