package live

import (
	"encoding/binary"
	"slices"

	"github.com/breakwater-chat/breakwater/internal/ablation"
	"github.com/breakwater-chat/breakwater/wire"
)

// outbox holds whole frames that are for one connection alone: answers, pings,
// the close frame, and the end of a frame of a room's log that was cut. Its
// bytes go out before those of the rooms.
type outbox struct {
	bufs [][]byte
	// off is how much of bufs[0] is written.
	off int
	// own is true if the last buffer is the outbox's own to append to.
	own   bool
	bytes int
}

// smallFrame is up to what size frames share a buffer.
const smallFrame = 512

// queue adds frames to the outbox. The bytes must not change any more. Called
// under mu; the caller sees to it that they are flushed.
func (c *conn) queue(frames ...[]byte) {
	if c.phase >= ended {
		return
	}
	if c.out == nil {
		c.out = &outbox{}
	}
	o := c.out
	for _, f := range frames {
		last := len(o.bufs) - 1
		switch {
		case len(f) > smallFrame:
			c.push(f)
			o.own = false
		case o.own && last >= 0 && cap(o.bufs[last])-len(o.bufs[last]) >= len(f):
			// Appended in place: a write that is under way sees the old length.
			o.bufs[last] = append(o.bufs[last], f...)
		default:
			size := len(f)
			if o.own && last >= 0 { // a second in a row: more will come
				size = 4 * smallFrame
			}
			c.push(append(make([]byte, 0, size), f...))
			o.own = true
		}
		o.bytes += len(f)
	}
	if o.bytes > c.hub.cfg.MaxQueue {
		c.hold(holdQueue)
	}
}

// push adds a buffer. It counts as the memory that it holds until all of it is written.
func (c *conn) push(buf []byte) {
	c.out.bufs = append(c.out.bufs, buf)
	c.hub.metrics.queued.Add(int64(cap(buf)))
}

// answer queues one text frame and asks for its writing.
func (c *conn) answer(payload []byte) {
	frame := wire.AppendFrameHeader(make([]byte, 0, wire.MaxFrameHeader+len(payload)), wire.OpText, len(payload))
	c.send(append(frame, payload...))
}

// send queues a frame and asks for its writing.
func (c *conn) send(frame []byte) {
	c.mu.Lock()
	if c.phase == open {
		c.queue(frame)
	}
	c.mu.Unlock()
	c.hub.sched.add(c)
}

// written takes n bytes off the outbox.
func (c *conn) written(n int) {
	o := c.out
	o.bytes -= n
	o.off += n
	for len(o.bufs) > 0 && o.off >= len(o.bufs[0]) {
		o.off -= len(o.bufs[0])
		c.hub.metrics.queued.Add(-int64(cap(o.bufs[0])))
		o.bufs[0] = nil
		o.bufs = o.bufs[1:]
	}
	if len(o.bufs) == 0 {
		c.out = nil
	}
	if o.bytes <= c.hub.cfg.MaxQueue/2 && c.holds.Load()&holdQueue != 0 {
		c.release(holdQueue)
	}
}

// first puts the end of a cut frame before everything else.
func (c *conn) first(rest []byte) {
	if c.out == nil {
		c.out = &outbox{}
	}
	o := c.out
	if o.off > 0 {
		c.hub.metrics.queued.Add(-int64(o.off))
		o.bufs[0], o.off = o.bufs[0][o.off:], 0
	}
	rest = slices.Clip(rest) // what is behind it is the room's
	c.push(rest)
	copy(o.bufs[1:], o.bufs)
	o.bufs[0] = rest
	o.bytes += len(rest)
}

// dropOutbox forgets what waits. Called under mu.
func (c *conn) dropOutbox() {
	if c.out != nil {
		for _, buf := range c.out.bufs {
			c.hub.metrics.queued.Add(-int64(cap(buf)))
		}
		if c.out.bytes > 0 {
			c.hub.metrics.drops.WithLabelValues(dropEnded).Inc()
		}
		c.out = nil
	}
}

// maxPieces is how many buffers go out in one write.
const maxPieces = 16

// batch is what one write takes: pieces of the outbox and of rooms' logs.
type batch struct {
	bufs   [maxPieces][]byte
	member [maxPieces]*member // nil: of the outbox
	next   [maxPieces]uint64  // the member's cursor behind the piece
	n      int
	total  int
}

func (b *batch) add(buf []byte, m *member, next uint64) {
	b.bufs[b.n], b.member[b.n], b.next[b.n] = buf, m, next
	b.n++
	b.total += len(buf)
}

// collect fills the batch. It reports false if a room's log has overtaken the
// connection. Called under mu.
func (c *conn) collect(b *batch) bool {
	b.n, b.total = 0, 0
	if c.out != nil {
		for i, buf := range c.out.bufs {
			if b.n == maxPieces {
				return true
			}
			if i == 0 {
				buf = buf[c.out.off:]
			}
			b.add(buf, nil, 0)
		}
	}
	for _, m := range c.rooms {
		if !m.collect(b) {
			return false
		}
	}
	return true
}

// collect adds what the room's log has for the member.
func (m *member) collect(b *batch) bool {
	from, skips := m.cursor, m.skips
	for b.n < maxPieces {
		limit := ^uint64(0)
		if len(skips) > 0 {
			if skips[0].start <= from {
				from = max(from, skips[0].end)
				skips = skips[1:]
				continue
			}
			limit = skips[0].start
		}
		buf, ok := m.room.log.read(from, limit)
		if !ok {
			return false
		}
		if len(buf) == 0 {
			// Nothing but skipped frames up to here needs no write.
			if b.n == 0 || b.member[b.n-1] != m {
				m.advance(from)
			}
			return true
		}
		from += uint64(len(buf))
		b.add(buf, m, from)
	}
	return true
}

// advance moves the cursor forward and forgets the skips behind it.
func (m *member) advance(to uint64) {
	m.cursor = to
	n := 0
	for n < len(m.skips) && m.skips[n].end <= to {
		n++
	}
	if n > 0 {
		if m.skips = m.skips[n:]; len(m.skips) == 0 {
			m.skips = nil
		}
	}
}

// settle accounts for n written bytes of the batch. A frame of a room's log that
// was cut is completed through the outbox. Called under mu.
func (c *conn) settle(b *batch, n int) {
	for i := range b.n {
		size, m := len(b.bufs[i]), b.member[i]
		switch {
		case n < size && n > 0 && m != nil:
			end := frameEnd(b.bufs[i], n)
			m.advance(b.next[i] - uint64(size-end))
			if end > n {
				c.first(b.bufs[i][n:end])
			}
			return
		case n < size:
			if n > 0 {
				c.written(n)
			}
			return
		case m == nil:
			c.written(size)
		default:
			m.advance(b.next[i])
		}
		n -= size
	}
}

// frameEnd returns the end of the frame in which the n-th byte lies; frames is a
// sequence of whole unmasked frames (RFC 6455, section 5.2).
func frameEnd(frames []byte, n int) int {
	end := 0
	for end < n {
		f := frames[end:]
		switch length := int(f[1]); length {
		case 126:
			end += 4 + int(binary.BigEndian.Uint16(f[2:]))
		case 127:
			end += 10 + int(binary.BigEndian.Uint64(f[2:]))
		default:
			end += 2 + length
		}
	}
	return end
}

// flush writes what waits until there is nothing more or the socket takes no
// more. ready says that the socket has just told that it takes more. Links that
// are not direct are flushed by their own goroutine only.
func (c *conn) flush(ready bool) {
	c.mu.Lock()
	if c.phase >= ended || c.uses&writing != 0 {
		c.mu.Unlock()
		return // who writes now collects once more before it stops
	}
	if c.armed && !ready {
		c.mu.Unlock()
		return // a room's log may overtake it meanwhile: then it gets a gap
	}
	c.uses |= writing
	verdict := c.writeAll()
	c.uses &^= writing
	gone := c.giveBack()
	c.mu.Unlock()
	switch {
	case gone:
		c.vanish()
	case verdict == writeLost:
		c.end(0)
	case verdict == writeSlow:
		c.closeWith(wire.CloseSlowConsumer, "")
	case verdict == writeFinished:
		c.end(c.code)
	}
}

// What became of a flush.
type writeVerdict uint8

const (
	writeOn       writeVerdict = iota
	writeLost                  // the socket is broken
	writeSlow                  // the room's log has overtaken the connection
	writeFinished              // both close frames are exchanged
)

// writeAll is flush's loop. Called under mu, which it gives up while it writes.
func (c *conn) writeAll() writeVerdict {
	var b batch
	for {
		if !c.collect(&b) {
			if !c.skip() {
				return writeSlow
			}
			continue
		}
		if b.n == 0 {
			if c.armed {
				c.armed = false
				c.watch()
			}
			return c.drained()
		}
		if !c.link.direct() { // the write blocks while the logs go on
			c.remember(&b)
		}
		c.mu.Unlock()
		n, err := c.link.write(b.bufs[:b.n])
		c.mu.Lock()
		if c.phase >= ended || err != nil {
			return writeLost
		}
		c.hub.metrics.bytesOut.Add(float64(n))
		c.settle(&b, n)
		if n < b.total {
			c.stalled(n > 0)
			return writeOn
		}
	}
}

// stalled waits until the socket takes more. Progress restarts the clock of the
// stall; that of a closing connection runs on.
func (c *conn) stalled(progress bool) {
	if c.phase != closing && (progress || !c.armed) {
		c.since = c.hub.tick()
	}
	if !c.armed {
		c.armed = true
		c.watch()
	}
	c.remember(&batch{})
}

// remember notes for every room which message comes next when the batch is
// written. Called under mu.
func (c *conn) remember(b *batch) {
	for _, m := range c.rooms {
		at := m.cursor
		for i := range b.n {
			if b.member[i] == m {
				at = b.next[i]
			}
		}
		m.missing, m.missingAt = m.room.log.firstBehind(at), at
	}
}

// skip tells the client what it will not get of the rooms whose logs have
// overtaken it, and goes on at their heads. It reports false if that is not known:
// then the connection has to end. Called under mu.
func (c *conn) skip() bool {
	for _, m := range c.rooms {
		if !m.overtaken() {
			continue
		}
		if m.missingAt != m.cursor {
			return false
		}
		head, newest := m.room.log.reached()
		if m.missing <= newest.Seq && !ablation.Off(ablation.Gap) {
			c.queue(textFrame(wire.AppendGap(nil, m.room.id, newest.Epoch, m.missing, newest.Seq)))
			c.hub.metrics.gaps.Inc()
		}
		m.cursor, m.skips = head, nil
	}
	return true
}

// drained goes on with the end of a connection whose close frame is written.
func (c *conn) drained() writeVerdict {
	if c.phase != closing {
		return writeOn
	}
	if c.peerClosed {
		return writeFinished
	}
	if !c.finished {
		c.finished = true
		c.since = c.hub.tick() // from now on the peer is waited for
		c.link.finishWriting()
	}
	return writeOn
}

// overtaken tells whether the room's log has gone on without the member.
func (m *member) overtaken() bool {
	_, ok := m.room.log.read(m.cursor, m.cursor+1)
	return !ok
}

// overtaken tells whether the log of any room has gone on without the connection.
// Called under mu.
func (c *conn) overtaken() bool { return slices.ContainsFunc(c.rooms, (*member).overtaken) }
