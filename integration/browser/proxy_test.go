package browser

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A proxy is a network cable between a browser and the server, which can be pulled.
type proxy struct {
	listener net.Listener
	done     sync.WaitGroup

	mu     sync.Mutex
	target string
	cut    bool
	conns  map[net.Conn]struct{}
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listening for the proxy: %v", err)
	}
	p := &proxy{listener: listener, target: target, conns: map[net.Conn]struct{}{}}
	p.done.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		p.Cut()
		p.done.Wait()
	})
	return p
}

func (p *proxy) Address() string { return p.listener.Addr().String() }

// Cut breaks all connections and refuses new ones until Mend.
func (p *proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for conn := range p.conns {
		reset(conn)
	}
	clear(p.conns)
}

// Mend lets new connections through again.
func (p *proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
}

// Lead takes new connections to another server.
func (p *proxy) Lead(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

func (p *proxy) far() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.target
}

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.far())
		if err != nil || !p.hold(near, far) {
			reset(near)
			if far != nil {
				far.Close()
			}
			continue
		}
		p.done.Go(func() { p.carry(near, far) })
		p.done.Go(func() { p.carry(far, near) })
	}
}

// hold takes the pair in, unless the cable is cut.
func (p *proxy) hold(near, far net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return false
	}
	p.conns[near], p.conns[far] = struct{}{}, struct{}{}
	return true
}

func (p *proxy) carry(to, from net.Conn) {
	io.Copy(to, from) // ends with either side; why does not matter
	to.Close()
	from.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, to)
	delete(p.conns, from)
}

// reset closes with RST, as a network that is gone does at best.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}
