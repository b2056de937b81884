package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// lease is how long a server may give no sign of life: shorter than in earnest, so that
// drills need not wait so long.
const lease = 5 * time.Second

// drainWindow is how long people may take to leave a server that stops.
const drainWindow = 3 * time.Second

// servers is how many there are at first.
const servers = 3

// ground is the cluster that drills take turns on, with all that it stands on.
type ground struct {
	base   *stand.Base
	net    *stand.Network
	binary stand.Binary
	folder string
	// cluster is nil while there is none.
	cluster *stand.Cluster
	lives   int // how many clusters there were
}

// openGround starts the services; the cluster comes with the first drill.
func openGround(ctx context.Context, c *Config) (_ *ground, err error) {
	g := &ground{binary: stand.Existing(c.Binary)}
	if g.folder, err = os.MkdirTemp("", "breakwater-drill-"); err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	if g.base, err = stand.StartBase(ctx, c.Services); err == nil {
		g.net, err = stand.NewNetwork(g.base)
	}
	if err != nil {
		if ctx.Err() != nil { // that is why, whatever did not answer
			err = ctx.Err()
		}
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

// start brings up a cluster of a binary.
func (g *ground) start(binary stand.Binary) (err error) {
	g.lives++
	folder := filepath.Join(g.folder, fmt.Sprint(g.lives))
	if err := os.Mkdir(folder, 0o700); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	g.cluster, err = stand.StartCluster(stand.Setup{
		Folder: folder, Binary: binary, Servers: servers, Services: g.net.Wire,
		Flags: []string{"--lease", lease.String(), "--drain-window", drainWindow.String(), "--signup-rate", "0"},
	})
	if err == nil {
		g.cluster.Nginx.ExpectFailures() // all drills hurt
	}
	return err
}

// stop ends the cluster and tells what was not in order with it.
func (g *ground) stop() error {
	if g.cluster == nil {
		return nil
	}
	for _, d := range stand.Dependencies() {
		g.net.Heal(d)
	}
	c := g.cluster
	g.cluster = nil
	return c.Stop()
}

// close ends everything.
func (g *ground) close() error {
	err := g.stop()
	if g.net != nil {
		g.net.Close()
	}
	if g.base != nil {
		err = errors.Join(err, g.base.Close())
	}
	http.DefaultClient.CloseIdleConnections()
	return errors.Join(err, os.RemoveAll(g.folder))
}

// whole heals the wires and tells whether all servers are ready.
func (g *ground) whole(ctx context.Context) error {
	for _, d := range stand.Dependencies() {
		g.net.Heal(d)
	}
	g.net.FailItems(0)
	return await(ctx, stand.Patience, "all servers to be ready", func() error {
		var errs []error
		for _, url := range g.cluster.Direct().URLs {
			_, err := stand.Call(ctx, http.MethodGet, url+"/readyz", "", nil, nil)
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// giveClock starts the ith server again, with a wall clock that can be set.
func (g *ground) giveClock(i int) error {
	g.cluster.GiveClock(i)
	if err := g.cluster.Drain(i); err != nil {
		return err
	}
	return g.cluster.Restart(i)
}

// named is the ith server's name in histories.
func named(i int) string { return fmt.Sprintf("server-%d", i+1) }

// metric sums up a metric of the ith server over its labels, of which some text must be there.
func (g *ground) metric(ctx context.Context, i int, name, labels string) (float64, error) {
	text, err := stand.Text(ctx, g.cluster.Servers[i].URL+"/metrics")
	if err != nil {
		return 0, fmt.Errorf("reading the metrics of %s: %w", named(i), err)
	}
	var sum float64
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != ' ' && rest[0] != '{' || !strings.Contains(rest, labels) {
			continue
		}
		var value float64
		if _, err := fmt.Sscan(rest[strings.LastIndexByte(rest, ' ')+1:], &value); err != nil {
			return 0, fmt.Errorf("reading the metric %q: %w", line, err)
		}
		sum += value
	}
	return sum, nil
}
