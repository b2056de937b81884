package app

import (
	"fmt"
	"net/netip"
	"reflect"

	"github.com/alecthomas/kong"
)

var typeOfPrefix = reflect.TypeFor[netip.Prefix]()

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
	target.Set(reflect.ValueOf(prefix.Masked()))
	return nil
}
