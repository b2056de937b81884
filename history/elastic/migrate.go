package elastic

import (
	"context"
	"errors"

	"github.com/breakwater-chat/breakwater/migrations"
)

// Migrate brings the cluster to the newest step of the schema. Many hosts may do
// it at once. migrations.ErrNewerSchema if the cluster is ahead of this program.
func Migrate(ctx context.Context, cfg Config) error {
	return withClient(cfg, func(c *client, cfg Config) error {
		return migrations.UpElasticsearch(ctx, c, cfg.indices())
	})
}

// Status returns which step of the schema the cluster has, 0 for none, and which
// is the newest known. It changes nothing.
func Status(ctx context.Context, cfg Config) (has, newest int64, err error) {
	err = withClient(cfg, func(c *client, cfg Config) error {
		has, newest, err = migrations.StatusElasticsearch(ctx, c, cfg.Prefix)
		return err
	})
	return has, newest, err
}

func withClient(cfg Config, do func(*client, Config) error) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	c, err := newClient(cfg)
	if err != nil {
		return err
	}
	return errors.Join(do(c, cfg), c.close())
}
