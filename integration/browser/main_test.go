package browser

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/integration/harness"
)

// patience bounds every wait; a loaded machine starts two browsers in a few seconds.
const patience = 2 * time.Minute

// binary is the server under test, built once.
var binary harness.Binary

func TestMain(m *testing.M) {
	os.Exit(harness.Main(func(folder string) (_ int, err error) {
		if _, err := exec.LookPath("chromium"); err != nil {
			return 1, errors.New("browser tests need Chromium: no executable named chromium in PATH (Debian: apt-get install chromium)")
		}
		if binary, err = harness.Build(folder, "breakwater"); err != nil {
			return 1, err
		}
		return m.Run(), nil
	}))
}
