package swarm

import "time"

// Clock tells the time since the host booted: the same for all processes of a host,
// and never set back. What one process writes into a message another one can measure from.
type Clock struct {
	started time.Time
	base    time.Duration
}

// NewClock reads the host's clock once; from there on Go's own monotonic one counts.
func NewClock() Clock {
	started := time.Now()
	return Clock{started: started, base: sinceBoot()}
}

// Now is the time since the host booted.
func (c Clock) Now() time.Duration { return c.base + time.Since(c.started) }
