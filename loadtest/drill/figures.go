package drill

import (
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/oracle"
)

// What drills ask of the record while or after a fault.

// happened counts the events of a kind from one time of the run to another.
func (r *record) happened(kind oracle.Kind, from, to time.Duration) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.history {
		if e := &r.history[i]; e.Kind == kind && e.At >= from && e.At < to {
			n++
		}
	}
	return n
}

// slowestAnswer is the longest time from a try to send to its ack or its refusal.
func (r *record) slowestAnswer() (slowest time.Duration) {
	r.answers(func(sent time.Duration, e *oracle.Event) { slowest = max(slowest, e.At-sent) })
	return slowest
}

// answersTo counts the acks and the refusals since a time of the run of what was said in
// an earlier part of it.
func (r *record) answersTo(saidFrom, saidTo, since time.Duration) (acked, refused int) {
	r.answers(func(sent time.Duration, e *oracle.Event) {
		switch {
		case sent < saidFrom || sent >= saidTo || e.At < since:
		case e.Kind == oracle.Acked:
			acked++
		default:
			refused++
		}
	})
	return acked, refused
}

// answers calls a function with each ack and refusal, and when what it answers was sent.
func (r *record) answers(each func(sent time.Duration, e *oracle.Event)) {
	type try struct {
		client, id string
		conn       int
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := map[try]time.Duration{}
	for i := range r.history {
		e := &r.history[i]
		key := try{e.Client, e.ID, e.Conn}
		switch e.Kind {
		case oracle.Sent:
			sent[key] = e.At
		case oracle.Acked, oracle.Refused:
			each(sent[key], e)
		}
	}
}

// farthest is how far the server's time of a live message was from when it came, at most.
func (r *record) farthest() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stray
}

// newEpochs is how many rooms have had messages in more than one epoch.
func (r *record) newEpochs() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := map[int64]int64{}
	renewed := map[int64]bool{}
	for i := range r.history {
		e := &r.history[i]
		if e.Kind != oracle.Acked && e.Kind != oracle.Received {
			continue
		}
		if first[e.Room] == 0 {
			first[e.Room] = e.Epoch
		}
		renewed[e.Room] = renewed[e.Room] || e.Epoch != first[e.Room]
	}
	for _, is := range renewed {
		if is {
			n++
		}
	}
	return n
}

// counted is how often something was counted in the whole run.
func (r *record) counted(name string) int64 {
	r.flush()
	return r.line.Snapshot().Totals.Counts[name]
}
