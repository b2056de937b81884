package storm

import (
	"fmt"
	"sync"
)

// position is a place in a room's log.
type position struct {
	Epoch int64 `json:"epoch"`
	Seq   int64 `json:"seq"`
}

// room is what all members together have seen of one room.
type room struct {
	id      int64
	members []*member // the first one talks

	mu    sync.Mutex
	log   map[int64]string // by seq: the id of the message there
	at    map[string]int64 // and the other way round
	acked map[string]position
	wrong []string
}

func newRoom(id int64) *room {
	return &room{id: id, log: map[int64]string{}, at: map[string]int64{}, acked: map[string]position{}}
}

// violated keeps the first contradictions: they tell the story.
func (r *room) violated(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(format, args...)
}

// note is called under mu.
func (r *room) note(format string, args ...any) {
	if len(r.wrong) < 5 {
		r.wrong = append(r.wrong, fmt.Sprintf("room %d: ", r.id)+fmt.Sprintf(format, args...))
	}
}

// see takes in that a member was delivered a message: one id a seq, one seq an id.
func (r *room) see(who string, m message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.log[m.Seq]; ok && other != m.ID {
		r.note("%s got %s at seq %d, where others got %s", who, m.ID, m.Seq, other)
	}
	if other, ok := r.at[m.ID]; ok && other != m.Seq {
		r.note("%s got %s at seq %d, others at %d", who, m.ID, m.Seq, other)
	}
	r.log[m.Seq], r.at[m.ID] = m.ID, m.Seq
}

func (r *room) ack(id string, at position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if before, ok := r.acked[id]; ok && before != at {
		r.note("%s was acked at %v and at %v", id, before, at)
	}
	r.acked[id] = at
}

func (r *room) isAcked(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.acked[id]
	return ok
}

// head is the highest acked seq, and how many acks there are.
func (r *room) head() (seq int64, acks int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, at := range r.acked {
		seq = max(seq, at.Seq)
	}
	return seq, len(r.acked)
}

// judge returns what contradicts the contract: every ack is where it was said to be.
// That every member has it follows from that none has a hole.
func (r *room) judge() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, at := range r.acked {
		if got, ok := r.at[id]; !ok || got != at.Seq {
			r.note("%s was acked at seq %d, and delivered at %d (%t)", id, at.Seq, got, ok)
		}
	}
	return r.wrong
}

// pages are how many aligned pages of a hundred the newest fifty lie in.
func (r *room) pages() int64 {
	head, _ := r.head()
	return (head-1)/100 - (max(1, head-49)-1)/100 + 1
}
