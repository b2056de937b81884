package stand

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Dependency names one of the services that servers reach by wires.
type Dependency int

// The dependencies of a server.
const (
	Redis Dependency = iota
	MySQL
	Elasticsearch
	dependencies
)

// Dependencies are all there are.
func Dependencies() []Dependency { return []Dependency{Redis, MySQL, Elasticsearch} }

func (d Dependency) String() string {
	return [...]string{"Redis", "MySQL", "Elasticsearch"}[d]
}

// Network is the wires between servers and services, one of each server to each
// service. Each can fail by itself. Its methods may not be called at the same time.
type Network struct {
	base  *Base
	api   *toxiproxy.ApiServer
	wires [][dependencies]*toxiproxy.Proxy // of each server

	// Before Elasticsearch is a proxy where single items can be made to fail.
	bulk    *bulk
	proxy   http.Server
	address string        // the proxy's
	ended   chan struct{} // closed when the proxy has
}

// NewNetwork lays no wire yet. The caller closes it.
func NewNetwork(b *Base) (*Network, error) {
	n := &Network{base: b, api: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())}
	target, _, err := b.Elasticsearch.kind.Via(b.Elasticsearch.URL, "")
	if err != nil {
		return nil, fmt.Errorf("a wire to Elasticsearch: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("a proxy before Elasticsearch: %w", err)
	}
	n.bulk = newBulk(target)
	// What it would log are the answers that a fault has cut off.
	n.proxy = http.Server{Handler: n.bulk, ReadHeaderTimeout: Patience, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	n.address, n.ended = listener.Addr().String(), make(chan struct{})
	go func() {
		defer close(n.ended)
		_ = n.proxy.Serve(listener) // it ends with Close
	}()
	return n, nil
}

// Wire says where the wires of the ith server begin. Those of a server are laid when
// they are asked for first, in the order of the servers.
func (n *Network) Wire(i int) (Services, error) {
	for len(n.wires) <= i {
		if err := n.lay(); err != nil {
			return Services{}, err
		}
	}
	var urls [dependencies]string
	for d, s := range n.base.all() {
		var err error
		if _, urls[d], err = s.kind.Via(s.URL, n.wires[i][d].Listen); err != nil {
			return Services{}, fmt.Errorf("a wire to %s: %w", s.kind.Name, err)
		}
	}
	return Services{Redis: urls[Redis], MySQL: urls[MySQL], Elasticsearch: urls[Elasticsearch]}, nil
}

// lay makes the wires of one server more.
func (n *Network) lay() error {
	var wires [dependencies]*toxiproxy.Proxy
	for d, s := range n.base.all() {
		target, _, err := s.kind.Via(s.URL, "")
		if err != nil {
			return fmt.Errorf("a wire to %s: %w", s.kind.Name, err)
		}
		if Dependency(d) == Elasticsearch {
			target = n.address
		}
		wires[d] = toxiproxy.NewProxy(n.api, s.kind.Name, "127.0.0.1:0", target)
		if err := wires[d].Start(); err != nil {
			return fmt.Errorf("a wire to %s: %w", s.kind.Name, err)
		}
	}
	n.wires = append(n.wires, wires)
	return nil
}

// Swallow has whatever servers and a service say to each other vanish: connections
// stay open, new ones are taken, and nothing is answered. Without servers it is all.
func (n *Network) Swallow(d Dependency, servers ...int) error {
	return errors.Join(n.add(fmt.Sprintf(swallow, "upstream"), d, servers), n.Mute(d, servers...))
}

// Mute has what a service says vanish: it does what it is asked for, and nobody hears of it.
func (n *Network) Mute(d Dependency, servers ...int) error {
	return n.add(fmt.Sprintf(swallow, "downstream"), d, servers)
}

const swallow = `{"name": "swallow-%[1]s", "type": "timeout", "stream": "%[1]s", "attributes": {"timeout": 0}}`

// Slow has each answer of a service come later.
func (n *Network) Slow(d Dependency, by time.Duration, servers ...int) error {
	return n.add(fmt.Sprintf(`{"type": "latency", "stream": "downstream", "attributes": {"latency": %d}}`, by.Milliseconds()), d, servers)
}

// FailItems has every nth item of a bulk request to Elasticsearch fail, half of them
// although it is stored. 0 ends that.
func (n *Network) FailItems(nth int) { n.bulk.every.Store(int64(nth)) }

// FailedItems is how many items have failed so.
func (n *Network) FailedItems() int64 { return n.bulk.failed.Load() }

func (n *Network) add(toxic string, d Dependency, servers []int) error {
	if len(servers) == 0 {
		for i := range n.wires {
			servers = append(servers, i)
		}
	}
	for _, i := range servers {
		if _, err := n.wires[i][d].Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			return fmt.Errorf("failing a wire: %w", err)
		}
	}
	return nil
}

// Heal ends all that is wrong with the wires to a service. What was swallowed is gone
// with its connections.
func (n *Network) Heal(d Dependency) {
	for _, wires := range n.wires {
		wires[d].Toxics.ResetToxics(context.Background())
	}
}

// Close cuts all wires.
func (n *Network) Close() {
	for _, wires := range n.wires {
		for _, w := range wires {
			w.Stop()
		}
	}
	_ = n.proxy.Close() // the listener's error; there is nothing left to lose
	<-n.ended
	n.bulk.close()
}
