// Package playback reads what was said in a room, wherever it is: the newest
// messages from the broker's tail, older ones from the history.
//
// The history may lag behind the log, by a second or, after it was away, by more.
// What is read here has no hole all the same: where the history ends short of
// the tail the answer ends there, too, and says that there is more. Only what was
// said last before the log lost its memory nobody misses, until the history has it.
//
// The history is read by pages that are aligned by seq, through caches (see pages).
// What they show is what the history has, or had 1.5 s ago: to a reader a cache is a
// history that lags.
package playback

import (
	"cmp"
	"context"
	"log/slog"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/cache"
	"github.com/breakwater-chat/breakwater/history"
)

// tailSlack is for messages that come while the tail is read.
const tailSlack = 50

// Where messages are looked for, as the metric names it: pages in the cache of the
// process, if it has not got them in that of all servers, and then in the history.
const (
	sourceTail    = "tail"
	sourceNear    = "near"
	sourceShared  = "shared"
	sourceHistory = "history"
)

// Config is what a reader reads; all of it stays the caller's.
type Config struct {
	Broker  broker.Broker
	History history.History
	// Caches keep pages of the history: first one of this process, then the one that
	// all servers share, if there is one. Without any each read is one of the history.
	Caches     []cache.Cache
	Registerer prometheus.Registerer
	Log        *slog.Logger // nil logs nothing
}

// Reader reads the messages of all rooms.
type Reader struct {
	broker broker.Broker
	pages  *pages
	reads  *prometheus.CounterVec
}

// New makes a reader.
func New(cfg Config) *Reader {
	reads := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "breakwater_playback_reads_total", Help: "Reads of messages that no room had in memory, by where they were looked for.",
	}, []string{"source"})
	waits := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "breakwater_playback_waits_total", Help: "Reads of pages that waited for another server to read the same.",
	})
	cfg.Registerer.MustRegister(reads, waits)
	for _, source := range []string{sourceTail, sourceNear, sourceShared, sourceHistory} {
		reads.WithLabelValues(source)
	}
	log := cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	return &Reader{broker: cfg.Broker, pages: newPages(cfg.History, cfg.Caches, reads, waits, log), reads: reads}
}

// Close ends what is being read from the history.
func (r *Reader) Close() { r.pages.tiers.Close() }

// Follows tells whether no message can be missing between two positions, as far
// as they tell. Within an epoch seqs have no holes; a new one begins anywhere
// above the last.
func Follows(next, last bw.Position) bool {
	return next.Epoch > last.Epoch && next.Seq > last.Seq || next.Epoch == last.Epoch && next.Seq == last.Seq+1
}

// follows is Follows for who has read a tail: it knows where the newest epoch begins.
func follows(tail broker.Tail, next, last bw.Position) bool {
	if tail.Begins != 0 && next.Epoch == tail.Head.Epoch && last.Epoch < next.Epoch && next.Seq != tail.Begins {
		return false
	}
	return Follows(next, last)
}

// Newest reads up to limit messages below the position next, which follows them
// without a hole. It takes them from the tail as far as that reaches; if the
// history cannot be read, these have to do. begins tells that the room has no
// older ones. The error is of the broker.
func (r *Reader) Newest(ctx context.Context, room bw.RoomID, next bw.Position, limit int) (read []bw.Message, begins bool, err error) {
	tail, err := r.broker.Tail(ctx, room, 0, limit+tailSlack)
	if err != nil {
		return nil, false, err
	}
	// Without an answer there is nothing that reaches next.
	page, _ := r.extend(ctx, history.PageQuery{Room: room, Before: next.Seq, Limit: limit}, tail)
	read = unbroken(tail, page.Messages, next)
	if len(read) > 0 {
		next = read[0].Position()
	}
	return read, next.Seq == 1, nil
}

// Missed reads up to limit messages behind a position, without a hole. It is
// empty if it cannot be told that there is none: the history does not have the
// next message yet, or cannot be read. The error is of the broker.
func (r *Reader) Missed(ctx context.Context, room bw.RoomID, last bw.Position, limit int) ([]bw.Message, error) {
	tail, err := r.broker.Tail(ctx, room, last.Seq, limit+tailSlack)
	if err != nil {
		return nil, err
	}
	var all []bw.Message
	if tail.Complete {
		r.reads.WithLabelValues(sourceTail).Inc()
		all = tail.Messages
	} else if page, err := r.pages.after(ctx, room, last.Seq, topOf(tail), tail.Begins, limit); err == nil {
		all = merge(page.Messages, tail.Messages)
	}
	read := continued(tail, all, last)
	return read[:min(len(read), limit)], nil
}

// topOf is the newest seq that the history has to have, as far as a tail tells; 0 if
// it tells nothing.
func topOf(tail broker.Tail) bw.Seq {
	switch {
	case len(tail.Messages) > 0:
		return tail.Messages[0].Seq - 1
	case tail.Head.Seq < tail.Begins: // nothing was said in this life of the log
		return 0
	}
	return tail.Head.Seq
}

// unbroken returns the newest of the messages between which nothing is missing,
// up to the position next, which follows them.
func unbroken(tail broker.Tail, all []bw.Message, next bw.Position) []bw.Message {
	i := len(all)
	for i > 0 && follows(tail, next, all[i-1].Position()) {
		i--
		next = all[i].Position()
	}
	return all[i:]
}

// continued returns the oldest of the messages between which nothing is missing,
// from the position last on, which they follow.
func continued(tail broker.Tail, all []bw.Message, last bw.Position) []bw.Message {
	i := 0
	for i < len(all) && follows(tail, all[i].Position(), last) {
		last = all[i].Position()
		i++
	}
	return all[:i]
}

// merge puts what the history has in front of what the tail has.
func merge(older, tail []bw.Message) []bw.Message {
	if len(tail) > 0 {
		older = upTo(older, tail[0].Seq-1)
	}
	return slices.Concat(older, tail)
}

// upTo leaves out what is newer than a seq.
func upTo(all []bw.Message, last bw.Seq) []bw.Message {
	n := len(all)
	for n > 0 && all[n-1].Seq > last {
		n--
	}
	return all[:n:n]
}

// downTo leaves out what is older than a seq.
func downTo(all []bw.Message, first bw.Seq) []bw.Message {
	for len(all) > 0 && all[0].Seq < first {
		all = all[1:]
	}
	return all
}
