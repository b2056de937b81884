package contract

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/breakwater-chat/breakwater/integration/harness"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
	"github.com/breakwater-chat/breakwater/wire/wiretest"
)

// patience bounds every wait for something that should come.
const patience = time.Minute

// deploymentVar chooses what the suite runs against.
const deploymentVar = "BREAKWATER_CONTRACT"

// What there is to choose.
const (
	embedded = "embedded" // one server with a data folder; also when nothing is chosen
	behind   = "nginx"    // three servers of a cluster, by way of nginx
	spread   = "servers"  // three servers of a cluster, every client at another one than the last
)

// suite is the binary and the server that the tests share. No rate of that
// server is limited; what is about limits or flags starts a server of its own.
var suite harness.Suite

// target is what clients of the shared deployment speak to, and clients counts them.
var (
	target  stand.Target
	clients atomic.Int64
)

// base is where the next client goes.
func base() string { return target.Base(int(clients.Add(1))) }

// documents judges everything that a server of the tests says.
var documents *wiretest.Checker

func TestMain(m *testing.M) {
	os.Exit(func() int {
		status, err := run(m)
		http.DefaultClient.CloseIdleConnections()
		if err := goleak.Find(); err != nil && status == 0 {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return max(status, 1)
		}
		return status
	}())
}

func run(m *testing.M) (status int, err error) {
	if documents, err = wiretest.NewChecker(); err != nil {
		return 1, err
	}
	unlimited := []string{"--send-rate", "0", "--signup-rate", "0"}
	switch deployment := os.Getenv(deploymentVar); deployment {
	case "", embedded:
		return suite.Run(func() int {
			target = suite.Server.Target()
			return m.Run()
		}, unlimited...), nil
	case behind, spread:
		return suite.RunCluster(context.Background(), servers, func(c *stand.Cluster) int {
			if target = c.Target(); deployment == spread {
				target = c.Direct()
			}
			return m.Run()
		}, unlimited...)
	default:
		return 1, errors.New(deploymentVar + ": got " + deployment + ", want " + embedded + ", " + behind + " or " + spread)
	}
}

// servers is how many a cluster of the suite has.
const servers = 3
