// Package cluster holds three servers behind nginx, on real services, to what
// their users are promised: under load, and while each service is killed, away or
// emptied. Everything is judged from outside: by what clients have seen, by what
// HTTP answers, and by what the databases hold.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/breakwater-chat/breakwater/integration/harness"
	"github.com/breakwater-chat/breakwater/integration/services"
)

// stand is what the tests share: each of them leaves it as it was.
var stand struct {
	*harness.Cluster
	services *services.All
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		status, err := run(m)
		http.DefaultClient.CloseIdleConnections()
		if leak := goleak.Find(); leak != nil && status == 0 {
			err = errors.Join(err, leak)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return max(status, 1)
		}
		return status
	}())
}

func run(m *testing.M) (status int, err error) {
	folder, err := os.MkdirTemp("", "breakwater-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	binary, err := harness.Build(folder, "breakwater-race", "-race")
	if err != nil {
		return 1, err
	}
	ctx := context.Background()
	if stand.services, err = services.StartAll(ctx); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, stand.services.Close()) }()
	stand.Cluster, err = harness.StartCluster(folder, binary, 3, harness.Services{
		Redis:         stand.services.Redis.URL,
		MySQL:         stand.services.MySQL.URL,
		Elasticsearch: stand.services.Elasticsearch.URL,
	}, "--send-rate", "0", "--signup-rate", "0")
	if err != nil {
		return 1, err
	}
	status = m.Run()
	return status, stand.Stop()
}
