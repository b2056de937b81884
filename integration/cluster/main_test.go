// Package cluster holds three servers behind nginx, on real services, to what
// their users are promised: under load, and while each service is killed, away or
// emptied. Everything is judged from outside: by what clients have seen, by what
// HTTP answers, and by what the databases hold.
package cluster

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/integration/harness"
	"github.com/breakwater-chat/breakwater/integration/services"
	"github.com/breakwater-chat/breakwater/internal/ablation"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// shared is what the tests share: each of them leaves it as it was.
var shared struct {
	*stand.Cluster
	services *services.All
}

// lease is how long a server may be silent. It is shorter than in earnest, so that
// tests need not wait so long.
const lease = 9 * time.Second

func TestMain(m *testing.M) {
	os.Exit(harness.Main(func(folder string) (int, error) {
		flags := []string{"-race"}
		if os.Getenv(ablation.Variable) != "" {
			flags = append(flags, "-tags", "ablation")
		}
		binary, err := harness.Build(folder, "breakwater-race", flags...)
		if err != nil {
			return 1, err
		}
		return harness.WithCluster(context.Background(), folder, binary, 3, func(c *stand.Cluster, all *services.All) int {
			shared.Cluster, shared.services = c, all
			return m.Run()
		}, "--send-rate", "0", "--signup-rate", "0", "--lease", lease.String(), "--drain-window", "3s")
	}))
}
