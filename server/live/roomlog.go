package live

import (
	"bytes"
	"strconv"
	"sync"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// Sizes of a log's segments: small for a quiet room, growing while it is busy,
// so that a busy room's write seldom crosses from one to the next.
const (
	minSegment = 1 << 10
	maxSegment = 256 << 10
)

// roomLog is the log of ready-framed bytes of one room. Places in it are
// absolute offsets that never repeat. Bytes below the head never change, so
// slices that were handed out stay valid without a lock.
type roomLog struct {
	// mu guards the fields; it is held for some dozen nanoseconds.
	mu       sync.Mutex
	segments []segment
	head     uint64
	// newest is the room's position at the head.
	newest bw.Position
}

// segment holds the bytes from base on. Its buffer never moves: appends stay
// within the capacity.
type segment struct {
	base uint64
	buf  []byte
}

// mark says which position the room has reached without anything to append.
func (l *roomLog) mark(newest bw.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest = newest
}

// append adds whole frames, with which the room reaches the position newest, and
// drops what is more than keep bytes behind.
func (l *roomLog) append(frames []byte, newest bw.Position, keep int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest = newest
	last := len(l.segments) - 1
	if last < 0 || cap(l.segments[last].buf)-len(l.segments[last].buf) < len(frames) {
		size := minSegment
		if last >= 0 {
			size = min(2*cap(l.segments[last].buf), maxSegment)
		}
		l.segments = append(l.segments, segment{base: l.head, buf: make([]byte, 0, max(size, len(frames)))})
		last++
	}
	l.segments[last].buf = append(l.segments[last].buf, frames...)
	l.head += uint64(len(frames))
	l.drop(keep)
}

// drop forgets the segments that end keep bytes or more behind the head.
func (l *roomLog) drop(keep int) {
	n := 0
	for n < len(l.segments)-1 && l.head-l.segments[n+1].base >= uint64(keep) {
		n++
	}
	if n > 0 {
		kept := copy(l.segments, l.segments[n:])
		clear(l.segments[kept:])
		l.segments = l.segments[:kept]
	}
}

// forget drops everything: the next append begins with a small segment. The
// caller knows that every cursor is at the head.
func (l *roomLog) forget(head uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.head == head {
		l.segments = nil
	}
}

// release drops the segments that end at or below an offset, but for the last.
// The caller knows that no cursor is below it.
func (l *roomLog) release(below uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(int(l.head - below))
}

func (l *roomLog) end() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// reached is the end of the log and the room's position there.
func (l *roomLog) reached() (head uint64, newest bw.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head, l.newest
}

// firstBehind is the seq of the first message at an offset or behind it, which is
// where a frame begins and must not have been overtaken.
func (l *roomLog) firstBehind(offset uint64) bw.Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		if s.base+uint64(len(s.buf)) <= offset {
			continue
		}
		for frames := s.buf[max(s.base, offset)-s.base:]; len(frames) > 0; {
			end := frameEnd(frames, 1)
			if seq, ok := seqIn(frames[:end]); ok {
				return seq
			}
			frames = frames[end:]
		}
	}
	return l.newest.Seq + 1
}

// seqIn reads the seq of a message's frame, or the first one of a gap's.
func seqIn(frame []byte) (bw.Seq, bool) {
	for _, kind := range []struct{ begins, field string }{
		{`{"type":"message",`, `"seq":`},
		{`{"type":"gap",`, `"from":`},
	} {
		begins := bytes.Index(frame[:min(len(frame), wire.MaxFrameHeader+len(kind.begins))], []byte(kind.begins))
		if begins < 0 {
			continue
		}
		_, number, _ := bytes.Cut(frame[begins:], []byte(kind.field))
		n := 0
		for n < len(number) && '0' <= number[n] && number[n] <= '9' {
			n++
		}
		seq, err := strconv.ParseInt(string(number[:n]), 10, 64)
		return bw.Seq(seq), err == nil
	}
	return 0, false
}

// held is the memory that the log holds, in bytes.
func (l *roomLog) held() (bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		bytes += cap(s.buf)
	}
	return bytes
}

// read returns the bytes from an offset to the end of its segment, or to the
// limit if that comes first; nil at the head. It reports false if the log has
// overtaken the offset.
func (l *roomLog) read(from, limit uint64) ([]byte, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	limit = min(limit, l.head)
	if from >= limit {
		return nil, true
	}
	// A member that keeps up reads from the last segment or the one before.
	for i := len(l.segments) - 1; i >= 0; i-- {
		if s := l.segments[i]; s.base <= from {
			return s.buf[from-s.base : min(uint64(len(s.buf)), limit-s.base)], true
		}
	}
	return nil, false
}
