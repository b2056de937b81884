// Package elastic is the history of a cluster: playback and search in Elasticsearch.
//
// Invariants:
//
//   - A message is one document, named by its room, epoch and seq, in the index of
//     the month of its own timestamp. It is only ever created: whoever comes second
//     finds what the first one stored, and compares.
//   - Words are cut by package history, before they are stored and before they are
//     looked for. Elasticsearch splits at spaces and changes nothing, so a search
//     finds the same here as in any other history.
//   - An answer is whole or an error: a shard that cannot be read is never an empty
//     page. That no message has ever been stored is not an error.
//   - A place in a room or in a search is the sort key of its message, so that a
//     page far from the newest costs what the newest costs.
package elastic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/migrations"
)

var _ history.Index = (*History)(nil)

// schemaTimeout bounds a look at the schema. It costs Elasticsearch next to
// nothing, so one that takes longer tells that nothing else would be answered.
const schemaTimeout = 5 * time.Second

// History is a history.Index in Elasticsearch, safe for concurrent use.
type History struct {
	cfg      Config
	client   *client
	metrics  *metrics
	pages    *gate
	searches *gate
	close    func() error
}

// Open makes a history. Elasticsearch need not be there: until it is, reads
// are Unavailable and Put fails. If it is there and lacks a step of the schema,
// the error is migrations.ErrOlderSchema. A newer schema is taken: servers of
// two versions work side by side while a cluster is brought to the next one.
func Open(ctx context.Context, cfg Config) (*History, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	h := &History{cfg: cfg, client: c, close: sync.OnceValue(c.close)}
	h.pages = newGate("pages", cfg.MaxPages, cfg.PageTimeout, cfg.Logger)
	h.searches = newGate("searches", cfg.MaxSearches, cfg.SearchTimeout, cfg.Logger)
	err = h.checkSchema(ctx)
	if errors.Is(err, migrations.ErrOlderSchema) {
		return nil, errors.Join(err, h.close())
	}
	if err != nil {
		cfg.Logger.Warn("the history cannot be read yet", "error", err)
	}
	h.metrics = newMetrics(cfg.Registerer, h.pages, h.searches)
	return h, nil
}

// checkSchema fails if a step of the schema is missing, or nobody can tell.
// Writing without it would make indices of a shape that searches do not know.
func (h *History) checkSchema(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, schemaTimeout)
	defer cancel()
	has, newest, err := migrations.StatusElasticsearch(ctx, h.client, h.cfg.Prefix)
	if err != nil {
		return fmt.Errorf("look at the schema of Elasticsearch: %w", err)
	}
	if has < newest {
		return fmt.Errorf("%w: Elasticsearch is at step %d, step %d is needed", migrations.ErrOlderSchema, has, newest)
	}
	return nil
}

// Healthy implements history.History. While Elasticsearch is known to be away it
// asks nobody.
func (h *History) Healthy(ctx context.Context) error {
	return h.pages.pass(ctx, h.checkSchema)
}

// Close implements history.History.
func (h *History) Close() error {
	if err := h.close(); err != nil {
		return fmt.Errorf("close the connections to Elasticsearch: %w", err)
	}
	return nil
}

// unavailable is what callers are told, whatever the reason.
func unavailable(err error) error {
	return bw.Unavailablef(err, "the message history cannot be read now")
}
