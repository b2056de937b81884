package cluster

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// position is a place in a room's log.
type position struct {
	Epoch int64 `json:"epoch"`
	Seq   int64 `json:"seq"`
}

// message is a message of the contract.
type message struct {
	Room int64 `json:"room"`
	position
	ID        string `json:"id"`
	User      string `json:"user"`
	Text      string `json:"text"`
	Timestamp int64  `json:"timestamp"`
}

// name is what a message is known by before it has a position.
type name struct {
	room     int64
	user, id string
}

// ledger collects what all clients of a run have seen and been told, and what
// contradicts the contract. It knows nothing of how servers work.
type ledger struct {
	mu     sync.Mutex
	sent   map[name]string   // the text
	acked  map[name]position // as told
	placed map[int64]map[int64]message
	at     map[name]position // in the newest epoch
	wrong  []string
	// gaps are the ranges that clients were told they would not get live.
	gaps []gap
}

type gap struct {
	room, from, to int64
}

func newLedger() *ledger {
	return &ledger{
		sent: map[name]string{}, acked: map[name]position{},
		placed: map[int64]map[int64]message{}, at: map[name]position{},
	}
}

func (l *ledger) violated(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(format, args...)
}

// note is called under mu. The first ones tell the story.
func (l *ledger) note(format string, args ...any) {
	if len(l.wrong) < 20 {
		l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
	}
}

func (l *ledger) send(n name, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[n] = text
}

func (l *ledger) ack(n name, at position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, ok := l.acked[n]; ok && before != at {
		l.note("%v was acked at %v and at %v", n, before, at)
	}
	if seen, ok := l.at[n]; ok && seen != at && seen.Epoch >= at.Epoch {
		l.note("%v was acked at %v and delivered at %v", n, at, seen)
	}
	l.acked[n] = at
}

// see takes a delivered or read message in: one seq a message, one message a seq,
// and none that nobody sent. What was not acked before a log was lost is sent again, and
// the new epoch knows nothing of it: it may be in both.
func (l *ledger) see(m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := name{m.Room, m.User, m.ID}
	if text, ok := l.sent[n]; !ok || text != m.Text {
		l.note("%+v was delivered, and sent was %q (%t)", m, text, ok)
	}
	room := l.placed[m.Room]
	if room == nil {
		room = map[int64]message{}
		l.placed[m.Room] = room
	}
	if other, ok := room[m.Seq]; ok && other != m {
		l.note("seq %d of room %d is %+v and %+v", m.Seq, m.Room, other, m)
	}
	before, ok := l.at[n]
	if ok && before != m.position && before.Epoch == m.Epoch {
		l.note("%v is at %v and at %v", n, before, m.position)
	}
	if at, ok := l.acked[n]; ok && at != m.position && m.Epoch >= at.Epoch {
		l.note("%v was acked at %v and delivered at %v", n, at, m.position)
	}
	room[m.Seq] = m
	if m.Epoch >= before.Epoch {
		l.at[n] = m.position
	}
}

func (l *ledger) skip(g gap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gaps = append(l.gaps, g)
}

// heads is the highest acked seq of each room, and count how many acks it has.
func (l *ledger) heads() (heads map[int64]int64, count map[int64]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	heads, count = map[int64]int64{}, map[int64]int{}
	for n, at := range l.acked {
		heads[n.room] = max(heads[n.room], at.Seq)
		count[n.room]++
	}
	return heads, count
}

func (l *ledger) violations() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.wrong...)
}

// span is the part of a room's log that one epoch has, as far as it was seen.
type span struct{ epoch, first, last int64 }

// epochs are those of a room, in their order.
func (l *ledger) epochs(room int64) (spans []span) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, seq := range slices.Sorted(maps.Keys(l.placed[room])) {
		m := l.placed[room][seq]
		if n := len(spans); n > 0 && spans[n-1].epoch == m.Epoch {
			spans[n-1].last = seq
			continue
		}
		spans = append(spans, span{m.Epoch, seq, seq})
	}
	return spans
}
