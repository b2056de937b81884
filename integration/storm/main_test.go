// Package storm lets the servers of a cluster die under thousands of people, who
// all come back at once, and counts what that costs: by what the people have seen,
// and by the databases' own counters.
package storm

import (
	"context"
	"os"
	"testing"

	"github.com/breakwater-chat/breakwater/integration/harness"
	"github.com/breakwater-chat/breakwater/integration/services"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// shared is what the tests share.
var shared struct {
	*stand.Cluster
	services *services.All
	binary   harness.Binary
}

func TestMain(m *testing.M) {
	os.Exit(harness.Main(func(folder string) (_ int, err error) {
		// Without the race detector: it would cost more than the storm.
		if shared.binary, err = harness.Build(folder, "breakwater"); err != nil {
			return 1, err
		}
		return harness.WithCluster(context.Background(), folder, shared.binary, 3, func(c *stand.Cluster, all *services.All) int {
			shared.Cluster, shared.services = c, all
			return m.Run()
		}, "--send-rate", "0", "--signup-rate", "0")
	}))
}
