package harness

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/breakwater-chat/breakwater/integration/loopback"
)

// Services are the addresses of what a cluster stands on.
type Services struct {
	Redis, MySQL, Elasticsearch string
}

// Cluster is several equal servers on the same services, and an nginx in front
// of them. Its methods may not be called at the same time.
type Cluster struct {
	// Servers are the present life of each.
	Servers []*Server
	Nginx   *Nginx

	binary Binary
	flags  [][]string // of each server, its address among them: it comes back there
}

// StartCluster starts n servers, which bring the databases to their schema, and
// an nginx with the configuration that the project deploys. What is not in the
// services is in the folder, the caller's; further flags go to every server. The
// caller stops it.
func StartCluster(folder string, b Binary, n int, s Services, flags ...string) (*Cluster, error) {
	key := filepath.Join(folder, "token.key")
	if err := os.WriteFile(key, []byte(rand.Text()+rand.Text()), 0o600); err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	c := &Cluster{binary: b, Servers: make([]*Server, n)}
	for i := range n {
		address, err := loopback.FreeAddress(context.Background())
		if err != nil {
			return nil, err
		}
		c.flags = append(c.flags, append([]string{
			"--listen", address, "--server-id", fmt.Sprintf("server-%d", i+1), "--token-key", key, "--migrate",
			"--redis", s.Redis, "--mysql", s.MySQL, "--elasticsearch", s.Elasticsearch,
		}, flags...))
	}
	if err := c.start(folder); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(folder string) error {
	err := c.each(func(i int) (err error) {
		c.Servers[i], err = c.binary.serve(c.flags[i])
		return err
	})
	if err != nil {
		return err
	}
	var addresses []string
	for _, s := range c.Servers {
		addresses = append(addresses, s.Address())
	}
	deployed, err := DeployedNginx()
	if err != nil {
		return err
	}
	own := filepath.Join(folder, "nginx")
	if err := os.Mkdir(own, 0o700); err != nil {
		return fmt.Errorf("making nginx's folder: %w", err)
	}
	c.Nginx, err = StartNginx(deployed, own, addresses...)
	return err
}

// each does something with all servers at the same time.
func (c *Cluster) each(do func(i int) error) error {
	errs := make([]error, len(c.Servers))
	var all sync.WaitGroup
	for i := range c.Servers {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Target is the cluster by way of nginx, as clients see it.
func (c *Cluster) Target() Target { return Target{URLs: []string{c.Nginx.URL}} }

// Direct is every server by itself.
func (c *Cluster) Direct() Target {
	var t Target
	for _, s := range c.Servers {
		t.URLs = append(t.URLs, s.URL)
	}
	return t
}

// Kill ends the ith server by SIGKILL. What nginx says of servers from then on
// is in order.
func (c *Cluster) Kill(i int) error {
	c.Nginx.ExpectFailures()
	return c.Servers[i].Kill()
}

// Drain asks the ith server to stop and waits for its orderly end, as Stop does for all.
func (c *Cluster) Drain(i int) error {
	c.Nginx.ExpectFailures()
	return c.Servers[i].Stop()
}

// Restart begins the next life of the ith server, which has ended: with the
// flags and at the address of the one before.
func (c *Cluster) Restart(i int) error {
	s, err := c.binary.serve(c.flags[i])
	if err != nil {
		return fmt.Errorf("starting server %d again: %w", i+1, err)
	}
	c.Servers[i] = s
	return nil
}

// Log is what the present lives and nginx have logged so far.
func (c *Cluster) Log() string {
	var all strings.Builder
	for i, s := range c.Servers {
		fmt.Fprintf(&all, "server %d:\n%s\n", i+1, s.Log())
	}
	fmt.Fprintf(&all, "nginx:\n%s", c.Nginx.Log())
	return all.String()
}

// Stop stops all servers and then nginx, and tells what was not in order with
// any of those that were not killed.
func (c *Cluster) Stop() error {
	err := c.each(func(i int) error {
		if c.Servers[i] == nil { // its start failed
			return nil
		}
		if err := c.Servers[i].Stop(); err != nil {
			return fmt.Errorf("server %d: %w", i+1, err)
		}
		return nil
	})
	if c.Nginx == nil {
		return err
	}
	return errors.Join(err, c.Nginx.Stop())
}
