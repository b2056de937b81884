// Package loopback finds ports of 127.0.0.1 for what tests start and must find
// again on the same address after a restart.
package loopback

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// FreePort finds a port that nothing listens on. It is below those that systems
// give to outgoing connections, one of which would else take it while the
// listener is down.
func FreePort(ctx context.Context) (int, error) {
	for range 100 {
		port := 20000 + rand.IntN(10000)
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("found no free port between 20000 and 30000")
}

// FreeAddress is 127.0.0.1 with such a port.
func FreeAddress(ctx context.Context) (string, error) {
	port, err := FreePort(ctx)
	return fmt.Sprintf("127.0.0.1:%d", port), err
}
