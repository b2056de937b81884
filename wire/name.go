package wire

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	bw "github.com/breakwater-chat/breakwater"
)

// joiner is the combining grapheme joiner.
const joiner = "\u034f"

// ParseName makes a name of what a client wrote: normalised to NFC (Unicode
// Standard Annex 15), then held to the rules of breakwater.Name. The error is
// a *breakwater.Error of kind InvalidName.
func ParseName(s string) (bw.Name, error) {
	// Normalising would let broken bytes pass as they are.
	if !utf8.ValidString(s) {
		return "", bw.Errorf(bw.InvalidName, "The name is not valid: it is no UTF-8.")
	}
	name := bw.Name(norm.NFC.String(s))
	// More combining marks in a row than a stream-safe text has (Annex 15, section
	// 13) are broken up with joiners, which would be another name.
	if strings.Count(string(name), joiner) > strings.Count(s, joiner) {
		return "", bw.Errorf(bw.InvalidName, "The name is not valid: it has too many combining marks in a row.")
	}
	if err := name.Validate(); err != nil {
		return "", bw.Errorf(bw.InvalidName, "The name is not valid: %v.", err)
	}
	return name, nil
}
