package admission

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/breakwater-chat/breakwater/internal/ablation"
)

// LimitConfig is how much of one kind of work may be under way.
type LimitConfig struct {
	// Wait is about how long the work may take when more comes than can be done;
	// 0 switches the limit off.
	Wait time.Duration
	// Least and Most bound the limit while there is too much to do. Least is as many
	// as are done at once with profit: below that less is finished, and the limit
	// would never rise again.
	Least, Most int
	// Burst is the limit while there is not: who says much at once and then nothing
	// for a while does no harm.
	Burst int
	// Reserved is the part of the limit that is kept for who comes back.
	Reserved float64
}

// Limit bounds how much work is under way, so that the rest is refused before it
// costs anything and what is admitted does not wait long.
//
// By Little's law what is under way is what is finished in a second times the
// seconds that it takes. So the limit that keeps the work at its time is that time
// multiplied by what is finished, which is counted: nothing has to be tried out, and
// the more the work is done in batches the higher the limit gets.
type Limit struct {
	cfg LimitConfig

	most, underWay atomic.Int64
	// Counted since the start.
	entered, refused, finished atomic.Int64

	// looked is when the last look was, as the time since began: the wall clock may jump.
	// It is changed under mu.
	began  time.Time
	looked atomic.Int64
	// mu guards the limit, in parts of one, and the counts at the last look.
	mu                        sync.Mutex
	level                     float64
	refusedThen, finishedThen int64
	// refusedLately and finishedLately are of a look.
	refusedLately, finishedLately float64
}

const (
	// lookEvery is the time between two changes of a limit.
	lookEvery = 100 * time.Millisecond
	// rising and resting are about how many looks it takes a limit to rise when there
	// is too much to do, for batches finish in bursts, and to get back to Burst behind it.
	rising, resting = 4, 25
	// lately is over about how many looks it is found out whether there is too much to
	// do: when more than passing of what was finished was refused. Less may be refused
	// because the work paused for a moment.
	lately, passing = 10, 0.5
)

// NewLimit makes a limit for bursts.
func NewLimit(cfg LimitConfig) *Limit {
	if ablation.Off(ablation.Admission) {
		cfg.Wait = 0
	}
	l := &Limit{cfg: cfg, level: float64(cfg.Burst), began: time.Now()}
	l.most.Store(int64(cfg.Burst))
	return l
}

// Enter admits a piece of work, which Leave ends, or refuses it. Who comes back may use
// what is reserved, too.
func (l *Limit) Enter(back bool) bool {
	if l.underWay.Add(1) > l.bound(back) && !l.off() {
		l.underWay.Add(-1)
		l.Refuse(1)
		return false
	}
	l.entered.Add(1)
	return true
}

// Full tells whether Enter would refuse who does not come back.
func (l *Limit) Full() bool { return l.underWay.Load() >= l.bound(false) && !l.off() }

func (l *Limit) off() bool { return l.cfg.Wait == 0 }

// Refuse counts pieces of work that were refused because of Full.
func (l *Limit) Refuse(n int) { l.refused.Add(int64(n)) }

func (l *Limit) bound(back bool) int64 {
	most := l.most.Load()
	if back {
		return most
	}
	return most - int64(float64(most)*l.cfg.Reserved)
}

// Leave ends a piece of work that was admitted. finished is false for what was
// given up early: it says nothing about how much can be done.
func (l *Limit) Leave(finished bool) {
	l.underWay.Add(-1)
	if finished {
		l.finished.Add(1)
	}
	if now := int64(time.Since(l.began)); now-l.looked.Load() >= int64(lookEvery) && l.mu.TryLock() {
		if now-l.looked.Load() >= int64(lookEvery) { // nobody else was quicker
			l.look(now)
		}
		l.mu.Unlock()
	}
}

// look moves the limit towards what would have made the work take its time. As long as
// there is not too much to do it moves back: what was finished then says what came, not
// what can be done, and a limit by that would be too low for the next pause. Called under mu.
func (l *Limit) look(now int64) {
	took := now - l.looked.Swap(now)
	finished, refused := l.finished.Load()-l.finishedThen, l.refused.Load()-l.refusedThen
	l.finishedThen += finished
	l.refusedThen += refused
	l.refusedLately += (float64(refused) - l.refusedLately) / lately
	l.finishedLately += (float64(finished) - l.finishedLately) / lately
	want := min(max(float64(finished)*float64(l.cfg.Wait)/float64(took), float64(l.cfg.Least)), float64(l.cfg.Most))
	switch {
	case refused == 0, l.refusedLately <= passing*l.finishedLately:
		l.level += (float64(l.cfg.Burst) - l.level) / resting
	case want < l.level:
		l.level = want
	default:
		l.level += (want - l.level) / rising
	}
	l.most.Store(int64(l.level))
}

// Counts are how many pieces of work were admitted and refused since the start.
func (l *Limit) Counts() (entered, refused int64) { return l.entered.Load(), l.refused.Load() }

// State is how much is under way, and how much may be.
func (l *Limit) State() (underWay, most int64) { return l.underWay.Load(), l.most.Load() }
