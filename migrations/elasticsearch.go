package migrations

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// ErrOlderSchema says that a database lacks steps that this version of the
// program needs: breakwater migrate makes them.
var ErrOlderSchema = errors.New("the database has an older schema than this version of breakwater needs")

// Each step is a folder that is named after the Unix time at which it was
// written, in seconds.
//
//go:embed elasticsearch
var elasticsearchFiles embed.FS

// templateFile is what a step consists of: the index template of the messages.
// It names everything "messages"; the deployment's prefix takes that place.
const templateFile = "messages_template.json"

// Elasticsearch is a way to call a cluster.
type Elasticsearch interface {
	// Call does one request and returns the status and the body of the answer,
	// whatever they are. An error means that there was no answer. It has a
	// deadline of its own.
	Call(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error)
}

// MessageIndices is what a deployment may choose about its indices.
type MessageIndices struct {
	// Prefix begins all names: PREFIX is the alias of all messages and the name
	// of the template, PREFIX-2026.11 has a month of them, and PREFIX-migrations
	// says which steps were made.
	Prefix string
	// Shards is how many parts a month has, Replicas how many further copies of
	// each there are, where there are nodes for them.
	Shards, Replicas int
}

// UpElasticsearch makes the steps that a cluster lacks. Many hosts may call it
// at once: one works, the others wait until it has done. A step may be made
// twice, if its maker dies before it is written down; it changes nothing then.
//
// ErrNewerSchema if the cluster is ahead of this program.
func UpElasticsearch(ctx context.Context, es Elasticsearch, indices MessageIndices) error {
	steps, err := elasticsearchSteps(elasticsearchFiles)
	if err != nil {
		return err
	}
	return upElasticsearch(ctx, es, indices, steps)
}

// StatusElasticsearch returns which step a cluster has, 0 for none, and which is
// the newest known. It changes nothing.
func StatusElasticsearch(ctx context.Context, es Elasticsearch, prefix string) (has, newest int64, err error) {
	steps, err := elasticsearchSteps(elasticsearchFiles)
	if err != nil {
		return 0, 0, err
	}
	s, err := records{es, prefix}.readSchema(ctx)
	return s.Version, newestOf(steps), err
}

// elasticStep is an index template and the version that it brings.
type elasticStep struct {
	version  int64
	template []byte
}

func newestOf(steps []elasticStep) int64 { return steps[len(steps)-1].version }

// elasticsearchSteps reads the steps, oldest first.
func elasticsearchSteps(files fs.FS) ([]elasticStep, error) {
	const root = "elasticsearch"
	folders, err := fs.ReadDir(files, root)
	if err != nil || len(folders) == 0 {
		return nil, errors.Join(errors.New("there are no steps for Elasticsearch"), err)
	}
	var steps []elasticStep
	for _, folder := range folders {
		version, err := strconv.ParseInt(folder.Name(), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read the step %s: its name is no Unix time: %w", folder.Name(), err)
		}
		template, err := fs.ReadFile(files, root+"/"+folder.Name()+"/"+templateFile)
		if err != nil {
			return nil, fmt.Errorf("read the step %s: %w", folder.Name(), err)
		}
		steps = append(steps, elasticStep{version, template})
	}
	slices.SortFunc(steps, func(a, b elasticStep) int { return cmp.Compare(a.version, b.version) })
	return steps, nil
}

func upElasticsearch(ctx context.Context, es Elasticsearch, indices MessageIndices, steps []elasticStep) (err error) {
	r := records{es, indices.Prefix}
	done, err := upToDate(ctx, r, steps)
	if done || err != nil {
		return err // without making the index of records for it, or waiting for the lock
	}
	if err := r.makeIndex(ctx); err != nil {
		return err
	}
	lock, err := takeLock(ctx, r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.release(ctx)) }()
	at, err := r.readSchema(ctx)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if step.version <= at.Version {
			continue
		}
		if err := lock.renew(ctx); err != nil {
			return err
		}
		if err := step.apply(ctx, r, indices); err != nil {
			return fmt.Errorf("make step %d: %w", step.version, err)
		}
		if at, err = r.writeSchema(ctx, at, step.version); err != nil {
			return fmt.Errorf("write down step %d: %w", step.version, err)
		}
	}
	return nil
}

// upToDate tells whether there is nothing to do.
func upToDate(ctx context.Context, r records, steps []elasticStep) (bool, error) {
	at, err := r.readSchema(ctx)
	if err == nil && at.Version > newestOf(steps) {
		err = fmt.Errorf("%w: it is at step %d, the newest known is %d", ErrNewerSchema, at.Version, newestOf(steps))
	}
	return err == nil && at.Version == newestOf(steps), err
}

// apply puts the template, for months to come, and what it maps into the months
// that are there.
func (s elasticStep) apply(ctx context.Context, r records, indices MessageIndices) error {
	var body map[string]any
	if err := json.Unmarshal(s.template, &body); err != nil {
		return fmt.Errorf("read the template: %w", err)
	}
	pattern := indices.Prefix + "-*.*"
	body["index_patterns"] = []string{pattern}
	template, _ := body["template"].(map[string]any)
	settings, _ := template["settings"].(map[string]any)
	index, _ := settings["index"].(map[string]any)
	if index == nil || template["mappings"] == nil {
		return errors.New("the template has no settings of the index, or no mappings")
	}
	template["aliases"] = map[string]any{indices.Prefix: struct{}{}}
	index["number_of_shards"] = indices.Shards
	index["auto_expand_replicas"] = fmt.Sprintf("0-%d", indices.Replicas)
	if _, err := r.call(ctx, http.MethodPut, "/_index_template/"+indices.Prefix, body, nil, http.StatusOK); err != nil {
		return fmt.Errorf("put the template: %w", err)
	}
	if _, err := r.call(ctx, http.MethodPut, "/"+pattern+"/_mapping?ignore_unavailable=true", template["mappings"], nil,
		http.StatusOK, http.StatusNotFound); err != nil {
		return fmt.Errorf("extend the months that are there: %w", err)
	}
	return nil
}

// records is the index PREFIX-migrations: one document says which steps were
// made, another is the lock. Both are read by their names, which needs no
// refresh, and written only as they were read.
type records struct {
	es     Elasticsearch
	prefix string
}

// schema is the document of the steps that were made.
type schema struct {
	Version int64         `json:"version"`
	Steps   []appliedStep `json:"steps"`
	at      place
}

type appliedStep struct {
	Version int64     `json:"version"`
	At      time.Time `json:"at"`
}

const (
	schemaDocument = "schema"
	lockDocument   = "lock"
)

// makeIndex makes the index of records unless it is there, and waits until it
// can be read: another host may have made it a moment ago.
func (r records) makeIndex(ctx context.Context) error {
	var failure struct {
		Error struct{ Type string }
	}
	status, err := r.call(ctx, http.MethodPut, "/"+r.prefix+"-migrations", map[string]any{
		"settings": map[string]any{"index": map[string]any{"number_of_shards": 1, "auto_expand_replicas": "0-1"}},
		"mappings": map[string]any{"dynamic": false},
	}, &failure, http.StatusOK, http.StatusBadRequest)
	if err == nil && status != http.StatusOK && failure.Error.Type != "resource_already_exists_exception" {
		err = errors.New(failure.Error.Type)
	}
	if err == nil {
		_, err = r.call(ctx, http.MethodGet, "/_cluster/health/"+r.prefix+"-migrations?wait_for_active_shards=1&timeout=20s", nil, nil, http.StatusOK)
	}
	if err != nil {
		return fmt.Errorf("make the index of what was migrated: %w", err)
	}
	return nil
}

func (r records) readSchema(ctx context.Context) (s schema, err error) {
	s.at, err = r.read(ctx, schemaDocument, &s)
	return s, err
}

func (r records) writeSchema(ctx context.Context, old schema, version int64) (schema, error) {
	next := schema{Version: version, Steps: append(slices.Clone(old.Steps), appliedStep{version, time.Now().UTC()})}
	at, ok, err := r.write(ctx, schemaDocument, next, old.at)
	if err == nil && !ok {
		err = errors.New("another host has made steps meanwhile")
	}
	next.at = at
	return next, err
}
