package admission

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Overload decides when the load balancer is to be told to send new people
// elsewhere: when more than half of what comes has been refused for a while. It
// is told so for some seconds only, and not again before a longer rest: if all servers
// have too much to do, they do not all turn away at the same time, and most of
// their time they serve.
type Overload struct {
	limits []*Limit
	seen   []counts // at the last look

	// score rises with each look at which a limit refuses most, and falls otherwise.
	score int
	// until is the end of the spell, or of the rest behind it.
	until   time.Time
	turning atomic.Bool
}

type counts struct{ entered, refused int64 }

const (
	// OverloadLook is how often Look has to be called.
	OverloadLook = 100 * time.Millisecond
	// lasting is how many looks an overload, or the calm behind it, has to last.
	lasting = int(2 * time.Second / OverloadLook)
	// spell is how long at least new people are sent elsewhere, at most twice that.
	spell = 5 * time.Second
	// restShare is how many times as long they are not behind it.
	restShare = 3
)

// NewOverload watches limits.
func NewOverload(limits ...*Limit) *Overload {
	return &Overload{limits: limits, seen: make([]counts, len(limits))}
}

// Look is called every OverloadLook, by one goroutine.
func (o *Overload) Look(now time.Time) {
	heavy := false
	for i, l := range o.limits {
		entered, refused := l.Counts()
		heavy = heavy || refused-o.seen[i].refused > entered-o.seen[i].entered
		o.seen[i] = counts{entered, refused}
	}
	if heavy {
		o.score = min(o.score+1, lasting)
	} else {
		o.score = max(o.score-1, 0)
	}
	switch turning := o.turning.Load(); {
	case turning && (o.score == 0 || now.After(o.until)):
		o.turning.Store(false)
		o.until = now.Add(restShare * spell)
	case !turning && o.score == lasting && now.After(o.until):
		o.turning.Store(true)
		o.until = now.Add(spell + rand.N(spell))
	}
}

// Turning tells whether new people are to go elsewhere.
func (o *Overload) Turning() bool { return o.turning.Load() }
