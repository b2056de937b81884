package swarm

import (
	"container/heap"
	"time"
)

// timers are what is to be done later, the soonest first.
type timers []timer

type timer struct {
	at time.Duration
	do func()
}

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at < t[j].at }
func (t timers) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(x any)        { *t = append(*t, x.(timer)) }

func (t *timers) Pop() any {
	last := len(*t) - 1
	popped := (*t)[last]
	(*t)[last] = timer{}
	*t = (*t)[:last]
	return popped
}

func (t *timers) add(at time.Duration, do func()) { heap.Push(t, timer{at, do}) }

// next is when the soonest is due, or none if that is sooner.
func (t timers) next(none time.Duration) time.Duration {
	if len(t) == 0 {
		return none
	}
	return min(none, t[0].at)
}

// run does what is due. What that adds waits for the next call, even if it is due at once.
func (t *timers) run(now time.Duration) {
	var due []timer
	for len(*t) > 0 && (*t)[0].at <= now {
		due = append(due, heap.Pop(t).(timer))
	}
	for _, d := range due {
		d.do()
	}
}
