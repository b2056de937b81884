package live

import (
	"bytes"
	"context"
	"slices"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/server/playback"
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
	known := i > 0 || since.Seq >= head.Seq || (len(newer) > 0 && playback.Follows(newer[0].Position, since))
	return newer, known
}

// refill is how long a room with too few recent messages waits before it looks
// for older ones again.
const refill = time.Second

// fill reads the newest messages if the room does not have them. On return the
// room's recent messages are whole, unless older ones are not to be read now: then
// these have to do, and a later join looks again.
func (r *room) fill(ctx context.Context) error {
	size := r.hub.cfg.Limits.PlaybackSize
	r.mu.Lock()
	enough := r.recent.whole || len(r.recent.all) >= size || time.Since(r.filled) < refill
	first := r.firstRecent()
	if !enough {
		r.filled = time.Now()
	}
	r.mu.Unlock()
	if enough || size == 0 {
		return nil
	}
	read, begins, err := r.hub.deps.Playback.Newest(ctx, r.id, first, size)
	if err != nil {
		return err
	}
	older := encodeAll(read)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.recent.whole || r.firstRecent() != first {
		return nil // another join was faster, or a gap came between
	}
	r.recent = recent{all: append(older, r.recent.all...), whole: len(older) >= size || begins}
	return nil
}

// firstRecent is where the recent messages begin. Called under mu.
func (r *room) firstRecent() bw.Position {
	if len(r.recent.all) > 0 {
		return r.recent.all[0].Position
	}
	return bw.Position{Epoch: r.head.Epoch, Seq: r.head.Seq + 1}
}
