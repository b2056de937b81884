//go:build ablation

package ablation

import (
	"os"
	"slices"
	"strings"
)

// Built tells whether this binary can switch mechanisms off.
const Built = true

// Off tells whether a mechanism is switched off.
func Off(m Mechanism) bool {
	return slices.Contains(strings.Split(os.Getenv(Variable), ","), string(m))
}
