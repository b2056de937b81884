package swarm

import "net/netip"

// LoopbackSources are addresses to connect from to a server on this host's loopback: as
// many as it takes so that each connection has two of an address's ports, the second for
// one that was cut and comes back. A server elsewhere is reached from the address that
// the system picks, and for IPv6 loopback has only one: the result is nil.
func LoopbackSources(target netip.Addr, connections, ports int) []netip.Addr {
	if !target.Is4() || !target.IsLoopback() || 2*connections <= ports {
		return nil
	}
	sources := make([]netip.Addr, 0, 2*connections/ports+1)
	for a := netip.AddrFrom4([4]byte{127, 0, 0, 1}); len(sources) < cap(sources); a = a.Next() {
		sources = append(sources, a)
	}
	return sources
}
