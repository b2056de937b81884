package app

import (
	"fmt"
	"syscall"
)

// Shares of the file descriptors.
const (
	mostConnections = 15_000
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

// connectionLimits divides descriptors between WebSocket connections and those
// that have not said a byte yet.
func connectionLimits(asked, descriptors int) (connections, silent int) {
	connections = asked
	if connections == 0 {
		connections = min(mostConnections, descriptors/4*3)
	}
	return connections, max(descriptors-connections-ownDescriptors, ownDescriptors) * 3 / 4
}
