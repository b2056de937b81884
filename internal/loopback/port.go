// Package loopback finds ports of 127.0.0.1 for what tests start and must find
// again on the same address after a restart.
package loopback

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// The ports are below those that systems give to outgoing connections, one of which
// would else take a port while its listener is down.
const (
	lowest = 20000
	places = 40  // one for each process that tests at the same time
	size   = 250 // ports of a place; the first is held by the process that has it
)

var (
	place  = sync.OnceValues(claim)
	listen = (&net.ListenConfig{}).Listen
	given  atomic.Int64
)

// FreePort finds a port that nothing listens on, and that no other call was given lately:
// not in this process, for the listener may not be there yet, nor in another one.
func FreePort(ctx context.Context) (int, error) {
	own, err := place()
	if err != nil {
		return 0, err
	}
	first := own.Addr().(*net.TCPAddr).Port + 1
	for range size - 1 {
		port := first + int(given.Add(1)-1)%(size-1)
		l, err := listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("found no free port between %d and %d", first, first+size-2)
}

// claim takes a place that no other process has. The listener is never closed: it is
// what keeps others from the place.
func claim() (own net.Listener, err error) {
	for i := range places {
		own, err = listen(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", lowest+i*size))
		if err == nil {
			return own, nil
		}
	}
	return nil, fmt.Errorf("found no place for ports: %w", err)
}

// FreeAddress is 127.0.0.1 with such a port.
func FreeAddress(ctx context.Context) (string, error) {
	port, err := FreePort(ctx)
	return fmt.Sprintf("127.0.0.1:%d", port), err
}
