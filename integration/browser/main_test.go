package browser

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/breakwater-chat/breakwater/integration/harness"
)

// patience bounds every wait; a loaded machine starts two browsers in a few seconds.
const patience = 60 * time.Second

// binary is the server under test, built once.
var binary harness.Binary

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if _, err := exec.LookPath("chromium"); err != nil {
			fmt.Fprintln(os.Stderr, "browser tests need Chromium: no executable named chromium in PATH (Debian: apt-get install chromium)")
			return 1
		}
		folder, err := os.MkdirTemp("", "breakwater-browser-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(folder)
		if binary, err = harness.Build(folder, "breakwater"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		status := m.Run()
		if err := goleak.Find(); err != nil && status == 0 {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return status
	}())
}
