package elastic_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/history/elastic"
	"github.com/breakwater-chat/breakwater/migrations"
)

func TestManyHostsMigrateAtOnce(t *testing.T) {
	cfg := config(t)
	has, newest, err := elastic.Status(t.Context(), cfg)
	if must(t, "status", err); has != 0 || newest == 0 {
		t.Errorf("before: got step %d of %d, want 0", has, newest)
	}
	if got := raw(t, "GET", "/"+cfg.Prefix+"-migrations", "")["status"]; fmt.Sprint(got) != "404" {
		t.Error("asking for the status has made an index")
	}
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if err := elastic.Migrate(t.Context(), cfg); err != nil {
				t.Errorf("migrate: %v", err)
			}
		})
	}
	all.Wait()
	has, newest, err = elastic.Status(t.Context(), cfg)
	if must(t, "status", err); has != newest {
		t.Errorf("after: got step %d of %d", has, newest)
	}
	record := raw(t, "GET", "/"+cfg.Prefix+"-migrations/_doc/schema", "")
	if steps := record["_source"].(map[string]any)["steps"].([]any); len(steps) != 1 {
		t.Errorf("the step was written down %d times, want once: %v", len(steps), steps)
	}
	if got := raw(t, "GET", "/"+cfg.Prefix+"-migrations/_doc/lock", "")["found"]; got != false {
		t.Error("the lock is held when all are done")
	}
}

// TestTheShapeOfAMonth: the fields that others rely on are what they are.
func TestTheShapeOfAMonth(t *testing.T) {
	cfg := migrated(t)
	h := open(t, cfg)
	put(t, h, lines(1, 1, 1, november)...)
	index := cfg.Prefix + "-2026.11"
	months := raw(t, "GET", "/"+cfg.Prefix, "")
	month, ok := months[index].(map[string]any)
	if !ok || len(months) != 1 {
		t.Fatalf("the alias has %v, want the month of the message", months)
	}
	fields := month["mappings"].(map[string]any)["properties"].(map[string]any)
	for field, want := range map[string]string{
		"chatroom": "integer", "user": "keyword", "message": "text", "timestamp": "date",
		"epoch": "long", "seq": "long", "id": "keyword", "words": "text",
	} {
		if got := fields[field].(map[string]any)["type"]; got != want {
			t.Errorf("field %s: got type %v, want %s", field, got, want)
		}
	}
	if got := fields["timestamp"].(map[string]any)["format"]; got != "epoch_millis" {
		t.Errorf("got timestamps of format %v, want epoch_millis", got)
	}
}

func TestALockWhoseOwnerDiedIsTakenOver(t *testing.T) {
	cfg := config(t)
	lock := func(expires time.Time) {
		raw(t, "PUT", "/"+cfg.Prefix+"-migrations/_doc/lock", fmt.Sprintf(`{"owner":"dead","expires":%q}`, expires.Format(time.RFC3339)))
	}
	lock(time.Now().Add(time.Hour))
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := elastic.Migrate(short, cfg); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while the lock is held: got error %v, want the context's", err)
	}
	lock(time.Now().Add(-time.Minute))
	must(t, "migrate", elastic.Migrate(t.Context(), cfg))
}

func TestANewerSchemaIsLeftAlone(t *testing.T) {
	cfg := migrated(t)
	raw(t, "PUT", "/"+cfg.Prefix+"-migrations/_doc/schema", `{"version":99999999999,"steps":[]}`)
	if err := elastic.Migrate(t.Context(), cfg); !errors.Is(err, migrations.ErrNewerSchema) {
		t.Errorf("migrate: got error %v, want ErrNewerSchema", err)
	}
	open(t, cfg) // servers of the older version go on
}
