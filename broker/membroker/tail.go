package membroker

import (
	"container/list"

	bw "github.com/breakwater-chat/breakwater"
)

// tail is the newest messages of one room, without a hole up to the room's
// published head. Guarded by Broker.mu.
type tail struct {
	// The messages are buf[start:]; what lies before has been dropped.
	buf   []bw.Message
	start int
	bytes int
	// place is the room's element in tails.used; nil while the tail is empty.
	place *list.Element
}

func (t *tail) messages() []bw.Message { return t.buf[t.start:] }

// append adds messages. It moves the rest down instead of growing when half of
// the memory is free, so a full tail allocates nothing.
func (t *tail) append(fresh []bw.Message) {
	if live := len(t.buf) - t.start; len(t.buf)+len(fresh) > cap(t.buf) && t.start >= live {
		copy(t.buf, t.buf[t.start:])
		clear(t.buf[live:])
		t.buf, t.start = t.buf[:live], 0
	}
	t.buf = append(t.buf, fresh...)
	for i := range fresh {
		t.bytes += messageCost(&fresh[i])
	}
}

// drop forgets the oldest n messages.
func (t *tail) drop(n int) {
	for i := range n {
		t.bytes -= messageCost(&t.buf[t.start+i])
	}
	clear(t.buf[t.start : t.start+n])
	t.start += n
}

// after copies the messages that follow seq, if the tail reaches back that far.
func (t *tail) after(seq bw.Seq) []bw.Message {
	live := t.messages()
	if len(live) == 0 || live[len(live)-1].Seq <= seq {
		return nil
	}
	// Seqs are contiguous, so a message's place follows from its seq.
	from := max(0, int(seq+1-live[0].Seq))
	return append([]bw.Message(nil), live[from:]...)
}

// tails bounds the memory of all tails together. Guarded by Broker.mu.
type tails struct {
	maxMessages, maxBytes, maxAll int

	bytes int
	// used orders the rooms that have a tail, the one that heard a message last first.
	used *list.List
}

func newTails(cfg Config) tails {
	return tails{
		maxMessages: cfg.TailMessages, maxBytes: cfg.TailBytes, maxAll: cfg.AllTailsBytes,
		used: list.New(),
	}
}

// append adds to a room's tail and makes room for it: first at the room's own
// old end, then in the rooms that were silent longest.
func (ts *tails) append(r *room, fresh []bw.Message) {
	t := &r.tail
	if n := len(fresh) - ts.maxMessages; n > 0 {
		ts.forget(r)
		fresh = fresh[n:]
	}
	before := t.bytes
	t.append(fresh)
	n, left := 0, t.bytes
	for live := t.messages(); len(live)-n > ts.maxMessages || left > ts.maxBytes; n++ {
		left -= messageCost(&live[n])
	}
	t.drop(n)
	ts.bytes += t.bytes - before
	if t.place == nil {
		t.place = ts.used.PushFront(r)
	} else {
		ts.used.MoveToFront(t.place)
	}
	for ts.bytes > ts.maxAll {
		ts.forget(ts.used.Back().Value.(*room))
	}
}

// forget drops a room's tail.
func (ts *tails) forget(r *room) {
	if r.tail.place == nil {
		return
	}
	ts.used.Remove(r.tail.place)
	ts.bytes -= r.tail.bytes
	r.tail = tail{}
}

// messageCost is roughly what a message takes in memory.
func messageCost(m *bw.Message) int {
	const fields = 80
	return fields + len(m.ID) + len(m.User) + len(m.Text)
}
