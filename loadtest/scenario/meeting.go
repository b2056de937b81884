package scenario

import (
	"sync"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/crowd"
)

// Points at which all parts of a run meet; they are the marks in its report.
const (
	pointGathered = "load begins" // everybody is in his room
	pointCut      = "cut"         // a storm's cut is due
	pointBack     = "all back"    // everybody is back, or has had the time
	pointSaid     = "load ends"   // every send has its answer, or has had the time
)

// heads are up to where rooms were acked.
type heads = map[bw.RoomID]bw.Position

// meeting is where a part waits for the others.
type meeting interface {
	// meet says that a part has come to a point, and what it knows. What all know comes
	// by the channel, once, when the last part is there.
	meet(point string, known heads) <-chan heads
}

// rendezvous is a meeting of parts in this process or behind connections to others.
type rendezvous struct {
	// met is called once a point, when all are there.
	met func(point string)

	mu      sync.Mutex
	parties int
	points  map[string]*gathering
}

type gathering struct {
	known   heads
	waiting []chan heads
}

func newRendezvous(parties int, met func(string)) *rendezvous {
	return &rendezvous{parties: parties, met: met, points: map[string]*gathering{}}
}

func (r *rendezvous) meet(point string, known heads) <-chan heads {
	// One place, so that nobody has to be there to take it.
	answer := make(chan heads, 1)
	r.mu.Lock()
	g, ok := r.points[point]
	if !ok {
		g = &gathering{known: heads{}}
		r.points[point] = g
	}
	crowd.MergeHeads(g.known, known)
	g.waiting = append(g.waiting, answer)
	complete := r.complete()
	r.mu.Unlock()
	r.release(complete)
	return answer
}

// leave takes a part that has ended out of the count: nobody waits for it.
func (r *rendezvous) leave() {
	r.mu.Lock()
	r.parties--
	complete := r.complete()
	r.mu.Unlock()
	r.release(complete)
}

// complete takes out the points at which all are; called under mu.
func (r *rendezvous) complete() map[string]*gathering {
	complete := map[string]*gathering{}
	for point, g := range r.points {
		if len(g.waiting) >= r.parties {
			complete[point] = g
			delete(r.points, point)
		}
	}
	return complete
}

func (r *rendezvous) release(complete map[string]*gathering) {
	for point, g := range complete {
		r.met(point)
		for _, answer := range g.waiting {
			answer <- g.known
		}
	}
}
