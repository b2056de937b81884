// Package overload offers a server five times as much as it can do, and looks at
// what becomes of what it admits, of the rest, of its memory, and of the time behind
// it. The server has one core to itself and the people, who are cheap, another one.
// All figures are compared with those of the same server a moment before.
package overload

import (
	"os"
	"testing"

	"github.com/breakwater-chat/breakwater/integration/harness"
)

// binary can be told to refuse nothing, so that the tests are seen to fail.
var binary harness.Binary

func TestMain(m *testing.M) {
	os.Exit(harness.Main(func(folder string) (_ int, err error) {
		if binary, err = harness.Build(folder, "breakwater-ablation", "-tags", "ablation"); err != nil {
			return 1, err
		}
		return m.Run(), nil
	}))
}
