package app

import (
	"fmt"
	"net/netip"
	"reflect"

	"github.com/alecthomas/kong"
)

var typeOfPrefix = reflect.TypeFor[netip.Prefix]()

// mapped is the length of ::ffff:0:0/96, in which IPv6 has IPv4 (RFC 4291,
// section 2.5.5.2).
const mapped = 96

// prefixMapper reads a network, or an address as the network of itself.
type prefixMapper struct{}

// Decode implements kong.Mapper.
func (prefixMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("network", &text); err != nil {
		return err
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("%q is neither a network nor an address", text)
		}
		prefix = netip.PrefixFrom(address, address.BitLen())
	}
	if prefix.Addr().Is4In6() && prefix.Bits() >= mapped {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-mapped) // as peers' addresses are compared
	}
	target.Set(reflect.ValueOf(prefix.Masked()))
	return nil
}
