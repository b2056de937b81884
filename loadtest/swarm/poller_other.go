//go:build !linux

package swarm

import (
	"errors"
	"net/netip"
	"time"
)

var errNoEpoll = errors.New("the load generator needs Linux: it is made of epoll")

func sinceBoot() time.Duration { return 0 }

// EphemeralPorts is how many ports an address has for connections that it makes.
func EphemeralPorts() int { return 1 << 14 }

// poller does not exist here.
type poller struct{}

type ready struct {
	fd, generation             int
	readable, writable, failed bool
}

func newPoller() (*poller, error) { return nil, errNoEpoll }

func (*poller) wait(time.Duration) ([]ready, error) { return nil, errNoEpoll }

func (*poller) connect(netip.AddrPort, netip.Addr, int) (int, error) { return -1, errNoEpoll }

func (*poller) connected(int) error { return errNoEpoll }

func (*poller) watch(int, int, bool) error { return errNoEpoll }

func (*poller) read(int, []byte) (int, error) { return 0, errNoEpoll }

func (*poller) write(int, []byte) (int, error) { return 0, errNoEpoll }

func (*poller) end(int, bool) {}

func (*poller) close() error { return errNoEpoll }
