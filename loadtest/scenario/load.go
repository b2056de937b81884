package scenario

import (
	"errors"
	"time"
)

// afterwards is how long members of a storm talk when everybody is back.
const afterwards = 2 * time.Second

// load is the middle of the run.
func (a *actor) load() error {
	if err := a.flush(); err != nil {
		return err
	}
	a.loaded = true
	defer func() { a.loaded = false }()
	script := a.newScript(a.clock.Now())
	var err error
	if a.Kind == Storm {
		err = a.storm(script)
	} else {
		err = a.play(script, a.Duration, func() bool { return false })
	}
	return errors.Join(err, a.flush())
}

// storm lets everybody talk, cuts them off, and waits until they are back.
func (a *actor) storm(script *script) error {
	never := func() bool { return false }
	if !a.CutOwn {
		return a.play(script, a.Duration, never)
	}
	if err := a.play(script, a.Steady, never); err != nil {
		return err
	}
	if _, err := a.meet(pointCut); err != nil {
		return err
	}
	a.crowd.Cut()
	err := a.play(script, a.Duration, func() bool { return a.crowd.Joined() == len(a.Members) })
	if err != nil {
		return err
	}
	if _, err := a.meet(pointBack); err != nil {
		return err
	}
	return a.play(script, afterwards, never)
}

// play does what the script says for that long, or until done.
func (a *actor) play(script *script, d time.Duration, done func() bool) error {
	end := a.clock.Now() + d
	for a.clock.Now() < end && !done() {
		due := script.due(a, min(a.clock.Now(), end))
		if err := a.turn(min(due, end)); err != nil {
			return err
		}
	}
	if !done() {
		script.due(a, end) // what was due until then, if the loop was late
	}
	return nil
}

// script is what members do, and when.
type script struct {
	sends, moves, searches, pages *schedule
	// sender is who sends next: they take turns.
	sender int
}

func (a *actor) newScript(start time.Duration) *script {
	return &script{
		sends:    newSchedule(start, a.Rate, a.Poisson, a.random),
		moves:    newSchedule(start, a.Moves, a.Poisson, a.random),
		searches: newSchedule(start, a.Searches, a.Poisson, a.random),
		pages:    newSchedule(start, a.Pages, a.Poisson, a.random),
	}
}

// due does all that is due by now and returns when the next thing is.
func (s *script) due(a *actor, now time.Duration) time.Duration {
	for s.sends.next() <= now {
		a.crowd.Say(s.turn(a), s.sends.take())
	}
	if a.Rate == 0 {
		for tries := 0; a.crowd.Pending() < a.Window && tries < a.Window; tries++ {
			a.crowd.Say(s.turn(a), a.clock.Now())
		}
	}
	for s.moves.next() <= now {
		s.moves.take()
		a.move()
	}
	for s.searches.next() <= now {
		a.reader.ask(a.search(s.searches.take()))
	}
	for s.pages.next() <= now {
		a.reader.ask(a.page(s.pages.take()))
	}
	return min(s.sends.next(), s.moves.next(), s.searches.next(), s.pages.next())
}

func (s *script) turn(a *actor) int {
	s.sender++
	return s.sender % len(a.Members)
}

// move lets somebody leave a further room, if he is in one, or else join one.
func (a *actor) move() {
	i := a.random.IntN(len(a.Members))
	if a.crowd.Further(i) {
		a.crowd.Leave(i)
		return
	}
	a.crowd.Enter(i, a.Rooms[a.random.IntN(len(a.Rooms))])
}
