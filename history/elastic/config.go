package elastic

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/breakwater-chat/breakwater/migrations"
)

// Config is where the history is and how hard it may be worked. Zero fields
// have defaults, except URLs.
type Config struct {
	// URLs are the addresses of one cluster's nodes, separated by commas:
	// http(s)://[USER:PASSWORD@]HOST:PORT.
	URLs string
	// Prefix begins the names of all indices, so that several deployments can
	// share a cluster; default "messages". Lower-case letters, digits and _.
	Prefix string
	// Shards and Replicas shape the indices that later months get, as they are
	// when Migrate makes the template; 1 and 1 by default. A single node has no
	// replicas whatever this says.
	Shards, Replicas int

	// MaxPages and MaxSearches bound how many of each are under way at once;
	// 16 and 8. Others wait.
	MaxPages, MaxSearches int
	// PageTimeout and SearchTimeout bound one of them, once it is under way; 6 and 5 s.
	PageTimeout, SearchTimeout time.Duration

	Registerer prometheus.Registerer // nil registers no metrics
	Logger     *slog.Logger          // nil logs nothing
}

var prefixPattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

func (c Config) withDefaults() Config {
	c.Prefix = cmp.Or(c.Prefix, "messages")
	c.Shards = cmp.Or(c.Shards, 1)
	c.Replicas = cmp.Or(c.Replicas, 1)
	c.MaxPages = cmp.Or(c.MaxPages, 16)
	c.MaxSearches = cmp.Or(c.MaxSearches, 8)
	c.PageTimeout = cmp.Or(c.PageTimeout, 6*time.Second)
	c.SearchTimeout = cmp.Or(c.SearchTimeout, 5*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate tells what is wrong with a configuration. It never repeats the
// addresses: they may hold a password.
func (c Config) Validate() error {
	_, err := c.addresses()
	if !prefixPattern.MatchString(cmp.Or(c.Prefix, "messages")) {
		err = errors.Join(err, fmt.Errorf("the prefix %q of the indices is not of lower-case letters, digits and _", c.Prefix))
	}
	for name, n := range map[string]int{"shards": c.Shards, "replicas": c.Replicas, "pages": c.MaxPages, "searches": c.MaxSearches} {
		if n < 0 {
			err = errors.Join(err, fmt.Errorf("the number of %s is below zero", name))
		}
	}
	return err
}

func (c Config) addresses() ([]string, error) {
	list := strings.Split(c.URLs, ",")
	for i, address := range list {
		list[i] = strings.TrimSpace(address)
		u, err := url.Parse(list[i])
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return nil, fmt.Errorf("address %d of Elasticsearch is not of the form http://[USER:PASSWORD@]HOST:PORT", i+1)
		}
	}
	return list, nil
}

func (c Config) indices() migrations.MessageIndices {
	return migrations.MessageIndices{Prefix: c.Prefix, Shards: c.Shards, Replicas: c.Replicas}
}
