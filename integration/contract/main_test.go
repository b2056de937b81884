package contract

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/breakwater-chat/breakwater/integration/harness"
	"github.com/breakwater-chat/breakwater/wire/wiretest"
)

// patience bounds every wait for something that should come.
const patience = 10 * time.Second

// suite is the binary and the server that the tests share. No rate of that
// server is limited; what is about limits or flags starts a server of its own.
var suite harness.Suite

// documents judges everything that a server of the tests says.
var documents *wiretest.Checker

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if documents, err = wiretest.NewChecker(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		status := suite.Run(m, "--send-rate", "0", "--signup-rate", "0")
		http.DefaultClient.CloseIdleConnections()
		if err := goleak.Find(); err != nil && status == 0 {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return status
	}())
}
