// Package swarm holds thousands of WebSocket connections in one goroutine: an
// epoll loop with non-blocking sockets, one read buffer for all, and hand-cut
// frames, so that a load generator costs less than the server it loads. It speaks
// HTTP/1.1 and RFC 6455, over TLS if it has to, and comes back as the contract asks
// a client to; what is in the text frames it leaves to its Handler.
//
// A Swarm is used from one goroutine, that of its caller, who calls Poll again and
// again; the Handler is called from within Poll. It needs Linux: elsewhere New fails.
package swarm
