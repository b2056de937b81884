package stand

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/breakwater-chat/breakwater/deploy"
	"github.com/breakwater-chat/breakwater/internal/loopback"
)

// Services are the addresses of what a cluster stands on.
type Services struct {
	Redis, MySQL, Elasticsearch string
}

// Shared is for servers that all reach the services by the same addresses.
func (s Services) Shared(int) (Services, error) { return s, nil }

// Setup says what a cluster is made of.
type Setup struct {
	// Folder holds what is not in the services. It is the caller's, and empty.
	Folder string
	Binary Binary
	// Servers is how many there are at first.
	Servers int
	// Services are what the ith server stands on: the same, by one way or another.
	Services func(i int) (Services, error)
	// Flags go to every server.
	Flags []string
}

// Cluster is several equal servers on the same services, and an nginx in front
// of them. Its methods may not be called at the same time.
type Cluster struct {
	// Servers are the present life of each.
	Servers []*Server
	Nginx   *Nginx
	// Key is the file that tokens are signed with.
	Key string

	setup    Setup
	binaries []Binary   // of each server
	flags    [][]string // of each server, its address among them: it comes back there
}

// StartCluster starts servers, which bring the databases to their schema, and an
// nginx with the configuration that the project deploys. The caller stops it.
func StartCluster(s Setup) (*Cluster, error) {
	c := &Cluster{setup: s, Key: filepath.Join(s.Folder, "token.key"), Servers: make([]*Server, s.Servers)}
	if err := os.WriteFile(c.Key, []byte(rand.Text()+rand.Text()), 0o600); err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	for i := range s.Servers {
		if err := c.prepare(i); err != nil {
			return nil, err
		}
	}
	if err := c.start(); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// prepare gives the ith server, which is the next one, its flags.
func (c *Cluster) prepare(i int) error {
	address, err := loopback.FreeAddress(context.Background())
	if err != nil {
		return err
	}
	on, err := c.setup.Services(i)
	if err != nil {
		return err
	}
	c.binaries = append(c.binaries, c.setup.Binary)
	c.flags = append(c.flags, append([]string{
		"--listen", address, "--server-id", fmt.Sprintf("server-%d", i+1), "--token-key", c.Key, "--migrate",
		"--redis", on.Redis, "--mysql", on.MySQL, "--elasticsearch", on.Elasticsearch,
	}, c.setup.Flags...))
	return nil
}

func (c *Cluster) start() error {
	err := c.each(func(i int) (err error) {
		c.Servers[i], err = c.binaries[i].serve(c.flags[i])
		return err
	})
	if err != nil {
		return err
	}
	deployed, err := deploy.Nginx()
	if err != nil {
		return err
	}
	own := filepath.Join(c.setup.Folder, "nginx")
	if err := os.Mkdir(own, 0o700); err != nil {
		return fmt.Errorf("making nginx's folder: %w", err)
	}
	c.Nginx, err = StartNginx(deployed, own, c.addresses()...)
	return err
}

func (c *Cluster) addresses() (all []string) {
	for _, s := range c.Servers {
		all = append(all, s.Address())
	}
	return all
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

// GiveClock gives the ith server a wall clock that can be set, from its next life on.
// It starts where clock.Supported says so.
func (c *Cluster) GiveClock(i int) { c.binaries[i] = c.binaries[i].WithClock() }

// Restart begins the next life of the ith server, which has ended: with the
// flags and at the address of the one before.
func (c *Cluster) Restart(i int) error {
	s, err := c.binaries[i].serve(c.flags[i])
	if err != nil {
		return fmt.Errorf("starting server %d again: %w", i+1, err)
	}
	c.Servers[i] = s
	return nil
}

// Add starts one server more and has nginx pass people on to it.
func (c *Cluster) Add() error {
	i := len(c.Servers)
	if err := c.prepare(i); err != nil {
		return err
	}
	s, err := c.binaries[i].serve(c.flags[i])
	if err != nil {
		c.binaries, c.flags = c.binaries[:i], c.flags[:i]
		return fmt.Errorf("starting server %d: %w", i+1, err)
	}
	c.Servers = append(c.Servers, s)
	return c.Reload()
}

// Remove takes the last server out of nginx and then drains it.
func (c *Cluster) Remove() error {
	last := len(c.Servers) - 1
	leaving := c.Servers[last]
	c.Servers, c.binaries, c.flags = c.Servers[:last], c.binaries[:last], c.flags[:last]
	c.Nginx.ExpectFailures()
	return errors.Join(c.Reload(), leaving.Stop())
}

// Reload has nginx read its configuration again, with the present servers in it.
func (c *Cluster) Reload() error { return c.Nginx.Reload(c.addresses()...) }

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
