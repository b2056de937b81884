package ablation

import (
	"slices"
	"testing"
)

// TestOff: the variable means something to a build with the tag only.
func TestOff(t *testing.T) {
	t.Setenv(Variable, "gap,janitor")
	for _, m := range Names() {
		want := Built && (m == Gap || m == Janitor)
		if got := Off(m); got != want {
			t.Errorf("%s off: got %t, want %t", m, got, want)
		}
	}
}

func TestNamesAreDistinct(t *testing.T) {
	names := Names()
	slices.Sort(names)
	if n := len(slices.Compact(names)); n != len(Names()) {
		t.Errorf("got %d different names of %d", n, len(Names()))
	}
}
