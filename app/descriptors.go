package app

import (
	"fmt"
	"syscall"
)

// Shares of the file descriptors.
const (
	mostConnections = 15_000
	mostReading     = 500
	// ownDescriptors is what databases, epoll and the like take.
	ownDescriptors = 256
)

// raiseDescriptors raises the limit of file descriptors as far as it may, and returns it.
func raiseDescriptors() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("asking for the limit of file descriptors: %w", err)
	}
	if limit.Cur < limit.Max {
		raised := limit
		raised.Cur = limit.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err == nil {
			limit = raised
		}
	}
	return int(min(limit.Cur, 1<<30)), nil
}

// shares are how many descriptors WebSocket connections may take, and of what is
// left those that have not said a byte yet, are in the middle of a request, or
// rest between requests.
type shares struct{ connections, silent, reading, idle int }

func divide(asked, descriptors int) shares {
	s := shares{connections: asked}
	if asked == 0 {
		s.connections = min(mostConnections, descriptors/4*3)
	}
	rest := max(descriptors-s.connections-ownDescriptors, ownDescriptors/2)
	s.silent, s.reading, s.idle = rest/2, min(mostReading, rest/8), rest/4
	return s
}
