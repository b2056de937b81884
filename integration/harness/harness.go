// Package harness runs the real binary for the suites that look at it from
// outside: it builds it once, starts it on a free port with data of its own,
// and holds every life to an orderly end.
package harness

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/breakwater-chat/breakwater/integration/services"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// Binary is a built server that tests start.
type Binary struct{ stand.Binary }

// Build compiles the server of the module that the working directory is in,
// with flags for go build (such as -race), into a folder of the caller's.
func Build(folder, name string, flags ...string) (Binary, error) {
	root, err := moduleRoot()
	if err != nil {
		return Binary{}, err
	}
	path := filepath.Join(folder, name)
	build := exec.Command("go", append(append([]string{"build"}, flags...), "-o", path, "./cmd/breakwater")...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return Binary{}, fmt.Errorf("building the server: %w\n%s", err, out)
	}
	return Binary{stand.Existing(path)}, nil
}

func moduleRoot() (string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("finding the module: %w", err)
	}
	return string(bytes.TrimSpace(root)), nil
}

// Start runs a server for one test, with data of its own. At the end of the
// test it is stopped, and the test fails if that was not orderly.
func (b Binary) Start(t testing.TB, flags ...string) *stand.Server {
	t.Helper()
	return b.StartOn(t, t.TempDir(), flags...)
}

// StartOn is Start on a folder that may hold an earlier life's data.
func (b Binary) StartOn(t testing.TB, data string, flags ...string) *stand.Server {
	t.Helper()
	s, err := b.Launch(data, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the server's log:\n%s", s.Log())
		}
	})
	return s
}

// Suite is what the tests of a package share: the binary with the race
// detector and one server that limits no rates.
type Suite struct {
	Binary Binary
	Server *stand.Server
}

// Run builds the binary, starts the shared server, runs the tests and stops
// the server, which must end in order. The result is the exit status for TestMain.
func (s *Suite) Run(tests func() int, flags ...string) int {
	status, err := s.build(func(folder string) (status int, err error) {
		if s.Server, err = s.Binary.Launch(filepath.Join(folder, "data"), flags...); err != nil {
			return 1, err
		}
		status = tests()
		return status, s.Server.Stop()
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(status, 1)
	}
	return status
}

// build makes the binary, and a folder that is there while do runs.
func (s *Suite) build(do func(folder string) (int, error)) (int, error) {
	return inFolder(func(folder string) (status int, err error) {
		if s.Binary, err = Build(folder, "breakwater-race", "-race"); err != nil {
			return 1, err
		}
		return do(folder)
	})
}

// RunCluster is Run for a cluster of n servers on services of its own, behind
// nginx. The shared server is the first of them.
func (s *Suite) RunCluster(ctx context.Context, n int, tests func(*stand.Cluster) int, flags ...string) (int, error) {
	return s.build(func(folder string) (int, error) {
		return WithCluster(ctx, folder, s.Binary, n, func(c *stand.Cluster, _ *services.All) int {
			s.Server = c.Servers[0]
			return tests(c)
		}, flags...)
	})
}
