package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"go.uber.org/goleak"

	"github.com/breakwater-chat/breakwater/integration/services"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// Main does what a TestMain has to do: run gets a folder, which is removed behind it,
// and if all is well nothing may be left running. The result is the exit status.
func Main(run func(folder string) (status int, err error)) int {
	status, err := inFolder(run)
	http.DefaultClient.CloseIdleConnections()
	if status == 0 && err == nil {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(status, 1)
	}
	return status
}

func inFolder(run func(folder string) (status int, err error)) (status int, err error) {
	folder, err := os.MkdirTemp("", "breakwater-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	return run(folder)
}

// WithCluster runs tests on a cluster of n servers on services of its own, behind
// nginx, as stand.StartCluster makes it.
func WithCluster(
	ctx context.Context, folder string, b Binary, n int, tests func(*stand.Cluster, *services.All) int, flags ...string,
) (status int, err error) {
	all, err := services.StartAll(ctx)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, all.Close()) }()
	on := stand.Services{Redis: all.Redis.URL, MySQL: all.MySQL.URL, Elasticsearch: all.Elasticsearch.URL}
	c, err := stand.StartCluster(stand.Setup{
		Folder: folder, Binary: b.Binary, Servers: n, Flags: flags,
		Services: on.Shared,
	})
	if err != nil {
		return 1, err
	}
	status = tests(c, all)
	return status, c.Stop()
}
