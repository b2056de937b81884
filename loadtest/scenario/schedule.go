package scenario

import (
	"math/rand/v2"
	"time"
)

// never is later than everything.
const never = time.Duration(1<<63 - 1)

// schedule gives the times at which things should begin, whatever became of those
// before: an open loop. Whoever is late measures from these times all the same, so what a
// slow server delays counts, too.
type schedule struct {
	interval float64 // mean, in nanoseconds
	poisson  bool
	random   *rand.Rand
	start    time.Duration
	elapsed  float64 // from the start to next, in nanoseconds
}

// newSchedule begins at a time; a rate of 0 never comes.
func newSchedule(start time.Duration, perSecond float64, poisson bool, random *rand.Rand) *schedule {
	s := &schedule{poisson: poisson, random: random, start: start}
	if perSecond > 0 {
		s.interval = float64(time.Second) / perSecond
		// Parts of a run do not begin in step.
		s.elapsed = s.interval * random.Float64()
	}
	return s
}

// next is the next time; taking it goes on to the one behind it.
func (s *schedule) next() time.Duration {
	if s.interval == 0 {
		return never
	}
	return s.start + time.Duration(s.elapsed)
}

func (s *schedule) take() time.Duration {
	at := s.next()
	if s.poisson {
		s.elapsed += s.interval * s.random.ExpFloat64()
	} else {
		s.elapsed += s.interval
	}
	return at
}
