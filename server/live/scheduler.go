package live

import "sync"

// A job is a room or a connection that has something to write.
type job interface {
	// work does what there is to do. It is not called twice at once.
	work()
	// place is where the scheduler notes the job's state.
	place() *jobState
}

// jobState is guarded by the scheduler's mutex.
type jobState uint8

const (
	jobIdle jobState = iota
	jobQueued
	jobRunning
	jobAgain // running, and asked for meanwhile
)

// scheduler hands jobs to the flush workers in the order in which they were
// asked for, each at most once at a time; so its queue is bounded by the number
// of rooms and connections.
type scheduler struct {
	mu      sync.Mutex
	filled  sync.Cond
	queue   []job
	next    int // queue[:next] was handed out
	stopped bool
}

func newScheduler() *scheduler {
	s := &scheduler{}
	s.filled.L = &s.mu
	return s
}

// add asks for the job's work, from now on.
func (s *scheduler) add(j job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state := j.place(); *state {
	case jobIdle:
		*state = jobQueued
		s.push(j)
	case jobRunning:
		*state = jobAgain
	}
}

func (s *scheduler) push(j job) {
	if s.next > len(s.queue)/2 { // more than half was handed out: move the rest to the front
		n := copy(s.queue, s.queue[s.next:])
		clear(s.queue[n:])
		s.queue, s.next = s.queue[:n], 0
	}
	s.queue = append(s.queue, j)
	s.filled.Signal()
}

// run is a flush worker; it returns after stop.
func (s *scheduler) run() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for s.next == len(s.queue) && !s.stopped {
			s.filled.Wait()
		}
		if s.stopped {
			return
		}
		j := s.queue[s.next]
		s.queue[s.next] = nil
		s.next++
		*j.place() = jobRunning
		s.mu.Unlock()
		j.work()
		s.mu.Lock()
		if state := j.place(); *state == jobAgain {
			*state = jobQueued
			s.push(j)
		} else {
			*state = jobIdle
		}
	}
}

func (s *scheduler) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.filled.Broadcast()
}
