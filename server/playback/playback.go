// Package playback reads what was said in a room, wherever it is: the newest
// messages from the broker's tail, older ones from the history.
//
// The history may lag behind the log, by a second or, after it was away, by more.
// What is read here has no hole all the same: where the history ends short of
// the tail the answer ends there, too, and says that there is more. Only what was
// said last before the log lost its memory nobody misses, until the history has it.
package playback

import (
	"context"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/wire"
)

// tailSlack is for messages that come while the tail is read.
const tailSlack = 50

// Sources of what was read, as the metric names them.
const (
	sourceTail    = "tail"
	sourceHistory = "history"
)

// Reader reads the messages of all rooms.
type Reader struct {
	broker  broker.Broker
	history history.History
	reads   *prometheus.CounterVec
}

// New makes a reader; broker and history stay the caller's.
func New(b broker.Broker, h history.History, reg prometheus.Registerer) *Reader {
	r := &Reader{broker: b, history: h, reads: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "breakwater_playback_reads_total", Help: "Reads of messages that no room had in memory, by where they were found.",
	}, []string{"source"})}
	reg.MustRegister(r.reads)
	for _, source := range []string{sourceTail, sourceHistory} {
		r.reads.WithLabelValues(source)
	}
	return r
}

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
	} else if page, err := r.readHistory(ctx, history.PageQuery{Room: room, After: afterSeq(last.Seq), Limit: limit}); err == nil {
		all = merge(page.Messages, tail.Messages)
	}
	read := continued(tail, all, last)
	return read[:min(len(read), limit)], nil
}

// afterSeq is how a page behind a seq is asked for.
func afterSeq(seq bw.Seq) bw.Seq {
	if seq == 0 {
		return wire.FromStart
	}
	return seq
}

func (r *Reader) readHistory(ctx context.Context, q history.PageQuery) (history.Page, error) {
	r.reads.WithLabelValues(sourceHistory).Inc()
	return r.history.ReadPage(ctx, q)
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
