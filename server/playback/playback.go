// Package playback reads what was said in a room, wherever it is: the newest
// messages from the broker's tail, older ones from the history.
//
// The history may lag behind the log, by a second or, after it was away, by more.
// What is read here has no hole all the same: where the history ends short of
// the tail the answer ends there, too, and says that there is more.
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

// Follows tells whether no message can be missing between two positions. Within
// an epoch seqs have no holes; a new one begins anywhere above the last.
func Follows(next, last bw.Position) bool {
	return next.Epoch > last.Epoch && next.Seq > last.Seq || next.Epoch == last.Epoch && next.Seq == last.Seq+1
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
	below := unbroken(upTo(tail.Messages, next.Seq-1), next)
	if len(below) > 0 {
		next = below[0].Position()
	}
	if whole := tail.Complete && startsAt(tail, next); whole || len(below) >= limit {
		r.reads.WithLabelValues(sourceTail).Inc()
		return below[max(0, len(below)-limit):], whole && len(below) <= limit, nil
	}
	page, err := r.readHistory(ctx, history.PageQuery{Room: room, Before: next.Seq, Limit: limit - len(below)})
	if err != nil {
		return below, false, nil
	}
	read = append(slices.Clip(unbroken(page.Messages, next)), below...)
	return read, !page.More && (len(read) == 0 && next.Seq == 1 || len(read) > 0 && read[0].Seq == 1), nil
}

// startsAt tells whether a complete tail has nothing below a position.
func startsAt(tail broker.Tail, next bw.Position) bool {
	return len(tail.Messages) == 0 || tail.Messages[0].Seq >= next.Seq
}

// Missed reads up to limit messages behind a position, without a hole. It is
// empty if it cannot be told that there is none: the history does not have the
// next message yet, or cannot be read. The error is of the broker.
func (r *Reader) Missed(ctx context.Context, room bw.RoomID, last bw.Position, limit int) ([]bw.Message, error) {
	tail, err := r.broker.Tail(ctx, room, last.Seq, limit+tailSlack)
	if err != nil {
		return nil, err
	}
	if tail.Complete {
		r.reads.WithLabelValues(sourceTail).Inc()
		return continued(tail.Messages, last), nil
	}
	page, err := r.readHistory(ctx, history.PageQuery{Room: room, After: afterSeq(last.Seq), Limit: limit})
	if err != nil {
		return nil, nil
	}
	read := continued(page.Messages, last)
	if n := len(read); n > 0 {
		last = read[n-1].Position()
	}
	return append(read, continued(above(tail.Messages, last.Seq), last)...), nil
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
func unbroken(all []bw.Message, next bw.Position) []bw.Message {
	i := len(all)
	for i > 0 && Follows(next, all[i-1].Position()) {
		i--
		next = all[i].Position()
	}
	return all[i:]
}

// continued returns the oldest of the messages between which nothing is missing,
// from the position last on, which they follow.
func continued(all []bw.Message, last bw.Position) []bw.Message {
	i := 0
	for i < len(all) && Follows(all[i].Position(), last) {
		last = all[i].Position()
		i++
	}
	return all[:i:i]
}

// upTo leaves out what is newer than a seq.
func upTo(all []bw.Message, last bw.Seq) []bw.Message {
	n := len(all)
	for n > 0 && all[n-1].Seq > last {
		n--
	}
	return all[:n:n]
}

// above leaves out what is not newer than a seq.
func above(all []bw.Message, seq bw.Seq) []bw.Message {
	i := 0
	for i < len(all) && all[i].Seq <= seq {
		i++
	}
	return all[i:]
}
