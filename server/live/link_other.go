//go:build !linux

package live

import "net"

// poller has nothing to do where there is no epoll.
type poller struct{}

func newPoller(*Hub, int) (*poller, error) { return &poller{}, nil }

func (*poller) close() error { return nil }

// attach serves every connection as a stream.
func (h *Hub) attach(c *conn, nc net.Conn) error {
	c.link = newStreamLink(h, nc)
	return nil
}
