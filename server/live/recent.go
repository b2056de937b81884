package live

import (
	"bytes"
	"context"
	"slices"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/wire"
)

// encoded is a message as playback writes it: a comma and its object.
type encoded struct {
	bw.Position
	object []byte
}

func encode(m *bw.Message) encoded {
	return encoded{m.Position(), wire.AppendMessageObject([]byte{','}, m)}
}

func encodeAll(messages []bw.Message) []encoded {
	all := make([]encoded, len(messages))
	for i := range messages {
		all[i] = encode(&messages[i])
	}
	return all
}

// follows tells whether no message can be missing between two positions. Within
// an epoch seqs have no holes; a new one begins anywhere above the last.
func follows(next, last bw.Position) bool {
	return next.Epoch > last.Epoch || next.Epoch == last.Epoch && next.Seq == last.Seq+1
}

// unbroken returns the newest of the messages between which nothing is missing,
// up to the position next, which follows them.
func unbroken(all []encoded, next bw.Position) []encoded {
	i := len(all)
	for i > 0 && follows(next, all[i-1].Position) {
		i--
		next = all[i].Position
	}
	return all[i:]
}

// recent holds the newest messages of a room as encoded objects, for playback:
// a storm of joins into a warm room reads and encodes nothing.
type recent struct {
	all []encoded
	// whole is true when nothing is missing: it is full, or begins where the log does.
	whole bool
	// joined is the newest objects, made for the first join after a message.
	joined []byte
}

// add appends the newest message and drops what is more than size.
func (p *recent) add(e encoded, size int) {
	p.all = append(p.all, e)
	p.joined = nil
	if n := len(p.all) - size; n >= size {
		// Moved to a new array now and then, so that dropped ones are freed.
		p.all = slices.Clone(p.all[n:])
		p.whole = true
	}
}

// last returns the newest size objects.
func (p *recent) last(size int) []byte {
	if p.joined == nil {
		objects := make([][]byte, 0, size)
		for _, e := range p.all[max(0, len(p.all)-size):] {
			objects = append(objects, e.object)
		}
		p.joined = bytes.Join(objects, nil)
	}
	return p.joined
}

// after returns the objects behind a position, up to the head; false if it does
// not reach back so far.
func (p *recent) after(since, head bw.Position) ([]encoded, bool) {
	i := len(p.all)
	for i > 0 && p.all[i-1].Seq > since.Seq {
		i--
	}
	newer := p.all[i:]
	// Unless what is at or right behind it is known, a hole could hide there.
	known := i > 0 || since.Seq >= head.Seq || (len(newer) > 0 && follows(newer[0].Position, since))
	return newer, known
}

// fill reads the newest messages if the room does not have them. On return the
// room's recent messages are whole, unless the newest of the history are not to
// be read yet: then those behind the hole have to do, and the next join looks again.
func (r *room) fill(ctx context.Context) error {
	size := r.hub.cfg.Limits.PlaybackSize
	r.mu.Lock()
	whole := r.recent.whole || len(r.recent.all) >= size
	first := r.firstRecent()
	r.mu.Unlock()
	if whole || size == 0 {
		return nil
	}
	read, begins, err := r.readBefore(ctx, first.Seq, size)
	if err != nil {
		return err
	}
	older := unbroken(encodeAll(read), first)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.recent.whole || r.firstRecent() != first {
		return nil // another join was faster, or a gap came between
	}
	r.recent = recent{
		all:   append(older, r.recent.all...),
		whole: len(older) >= size || begins && len(older) == len(read) && first.Seq == bw.Seq(1+len(older)),
	}
	return nil
}

// firstRecent is where the recent messages begin. Called under mu.
func (r *room) firstRecent() bw.Position {
	if len(r.recent.all) > 0 {
		return r.recent.all[0].Position
	}
	return bw.Position{Epoch: r.head.Epoch, Seq: r.head.Seq + 1}
}

// readBefore reads up to limit messages below a seq: from the broker's tail, and
// from the history what is older than that, which may not have the newest yet.
// begins tells that there are no older ones.
func (r *room) readBefore(ctx context.Context, before bw.Seq, limit int) (read []bw.Message, begins bool, err error) {
	tail, err := r.hub.deps.Broker.Tail(ctx, r.id, 0, limit+tailSlack)
	if err != nil {
		return nil, false, err
	}
	below := tail.Messages
	for len(below) > 0 && below[len(below)-1].Seq >= before {
		below = below[:len(below)-1]
	}
	if tail.Complete || len(below) >= limit {
		r.hub.metrics.playbackReads.WithLabelValues(sourceTail).Inc()
		return below[max(0, len(below)-limit):], tail.Complete && len(below) <= limit, nil
	}
	r.hub.metrics.playbackReads.WithLabelValues(sourceHistory).Inc()
	if len(below) > 0 {
		before = below[0].Seq
	}
	page, err := r.hub.deps.History.ReadPage(ctx, history.PageQuery{Room: r.id, Before: before, Limit: limit - len(below)})
	return append(page.Messages, below...), !page.More, err
}

// tailSlack is for messages that come while the tail is read.
const tailSlack = 50
