package live

import (
	"bytes"
	"context"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/wire"
)

// recent holds the newest messages of a room as encoded objects, for playback:
// a storm of joins into a warm room reads and encodes nothing.
type recent struct {
	seqs    []bw.Seq
	objects [][]byte
	// whole is true when nothing is missing: it is full, or begins where the log does.
	whole bool
	// joined is objects with commas between, made for the first join after a message.
	joined []byte
}

// add appends the newest message and drops what is more than size.
func (p *recent) add(seq bw.Seq, object []byte, size int) {
	p.seqs = append(p.seqs, seq)
	p.objects = append(p.objects, object)
	p.joined = nil
	if n := len(p.seqs) - size; n >= size {
		// Moved to new arrays now and then, so that dropped ones are freed.
		p.seqs = append([]bw.Seq(nil), p.seqs[n:]...)
		p.objects = append([][]byte(nil), p.objects[n:]...)
		p.whole = true
	}
}

// last returns the newest size objects, joined by commas.
func (p *recent) last(size int) []byte {
	if p.joined == nil {
		p.joined = bytes.Join(p.objects[max(0, len(p.objects)-size):], []byte(","))
	}
	return p.joined
}

// after returns the objects behind a seq, up to the head; false if it does not
// reach back so far.
func (p *recent) after(seq, head bw.Seq) ([][]byte, bool) {
	i := len(p.seqs)
	for i > 0 && p.seqs[i-1] > seq {
		i--
	}
	// Unless what is at or right behind seq is known, a hole could hide there.
	known := i > 0 || seq >= head || (len(p.seqs) > 0 && p.seqs[0] == seq+1)
	return p.objects[i:], known
}

// fill reads the newest messages if the room does not have them. On return the
// room's recent messages are whole.
func (r *room) fill(ctx context.Context) error {
	size := r.hub.cfg.Limits.PlaybackSize
	r.mu.Lock()
	whole := r.recent.whole || len(r.recent.seqs) >= size
	first := r.head.Seq + 1
	if len(r.recent.seqs) > 0 {
		first = r.recent.seqs[0]
	}
	r.mu.Unlock()
	if whole || size == 0 {
		return nil
	}
	older, err := r.readBefore(ctx, first, size)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.head.Seq + 1
	if len(r.recent.seqs) > 0 {
		next = r.recent.seqs[0]
	}
	if r.recent.whole || next != first {
		return nil // another join was faster, or a gap came between
	}
	p := recent{whole: true}
	for i := range older {
		p.seqs = append(p.seqs, older[i].Seq)
		p.objects = append(p.objects, wire.AppendMessageObject(nil, &older[i]))
	}
	p.seqs = append(p.seqs, r.recent.seqs...)
	p.objects = append(p.objects, r.recent.objects...)
	r.recent = p
	return nil
}

// readBefore reads up to limit messages below a seq: from the broker's tail, or
// from the history when it does not reach back so far.
func (r *room) readBefore(ctx context.Context, before bw.Seq, limit int) ([]bw.Message, error) {
	tail, err := r.hub.deps.Broker.Tail(ctx, r.id, 0, limit+tailSlack)
	if err != nil {
		return nil, err
	}
	below := tail.Messages
	for len(below) > 0 && below[len(below)-1].Seq >= before {
		below = below[:len(below)-1]
	}
	if tail.Complete || len(below) >= limit {
		r.hub.metrics.playbackReads.WithLabelValues(sourceTail).Inc()
		return below[max(0, len(below)-limit):], nil
	}
	r.hub.metrics.playbackReads.WithLabelValues(sourceHistory).Inc()
	page, err := r.hub.deps.History.ReadPage(ctx, history.PageQuery{Room: r.id, Before: before, Limit: limit})
	return page.Messages, err
}

// tailSlack is for messages that come while the tail is read.
const tailSlack = 50
