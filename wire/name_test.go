package wire_test

import (
	"strings"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

func TestParseName(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       bw.Name // "" is a refusal
	}{
		{"plain", "Ada", "Ada"},
		{"composed already", "\u00c5sa", "\u00c5sa"},
		{"decomposed", "A\u030asa", "\u00c5sa"},
		{"a compatibility character stays", "\ufb01", "\ufb01"},
		{"hangul", "\u1112\u1161\u11ab", "\ud55c"},
		{"emoji of many parts", "👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"},
		{"spaces within", "Ada  L", "Ada  L"},
		{"64 characters after NFC, 128 before", strings.Repeat("e\u0301", 64), bw.Name(strings.Repeat("é", 64))},
		{"65 characters", strings.Repeat("é", 65), ""},
		{"nothing", "", ""},
		{"a space in front", " Ada", ""},
		{"a wide space behind", "Ada\u3000", ""},
		{"a tab within", "A\tda", ""},
		{"NUL", "A\x00", ""},
		{"a C1 control character", "A\u0085da", ""},
		{"a line separator", "A\u2028da", ""},
		{"broken UTF-8", "A\xffda", ""},
		{"as many combining marks in a row as a stream-safe text has", "b" + strings.Repeat("\u0300", 30), bw.Name("b" + strings.Repeat("\u0300", 30))},
		{"more of them", "b" + strings.Repeat("\u0300", 40), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := wire.ParseName(row.text)
			if got != row.want {
				t.Errorf("got %+q, want %+q", got, row.want)
			}
			if row.want == "" {
				wantKind(t, err, bw.InvalidName)
			}
		})
	}
}
