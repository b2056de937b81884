//go:build !ablation

package ablation

// Built tells whether this binary can switch mechanisms off.
const Built = false

// Off tells whether a mechanism is switched off.
func Off(Mechanism) bool { return false }
