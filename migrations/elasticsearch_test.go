package migrations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"
)

// fakeElasticsearch keeps documents by their paths, and the templates put.
type fakeElasticsearch struct {
	mu        sync.Mutex
	documents map[string]fakeDocument
	seq       int64
	templates []string
	extended  []string
	// fails makes the first call of a method and path without an answer, done or not.
	fails string
	done  bool
	// unready is how many calls find no shard.
	unready int
}

type fakeDocument struct {
	seq    int64
	source string
}

func newFakeElasticsearch() *fakeElasticsearch {
	return &fakeElasticsearch{documents: map[string]fakeDocument{}}
}

func (f *fakeElasticsearch) Call(_ context.Context, method, path string, body []byte) (int, []byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unready > 0 {
		f.unready--
		return http.StatusServiceUnavailable, []byte(`{"error":{"type":"no_shard_available_action_exception"}}`), nil
	}
	fails := f.fails != "" && strings.HasPrefix(method+" "+path, f.fails)
	if fails {
		f.fails = ""
		if !f.done {
			return 0, nil, errors.New("no answer")
		}
	}
	status, answer := f.answer(method, path, string(body))
	if fails {
		return 0, nil, errors.New("no answer")
	}
	return status, []byte(answer), nil
}

func (f *fakeElasticsearch) answer(method, path, body string) (int, string) {
	path, condition, _ := strings.Cut(path, "?")
	switch {
	case strings.HasPrefix(path, "/_index_template/"):
		f.templates = append(f.templates, body)
		return http.StatusOK, `{}`
	case strings.HasSuffix(path, "/_mapping"):
		f.extended = append(f.extended, path)
		return http.StatusNotFound, `{}`
	case strings.HasPrefix(path, "/_cluster/health/"):
		return http.StatusOK, `{}`
	case !strings.Contains(path, "/_"):
		return http.StatusOK, `{}` // the index of records
	}
	key := path[strings.LastIndex(path, "/"):]
	old, there := f.documents[key]
	if method == http.MethodGet {
		if !there {
			return http.StatusNotFound, `{}`
		}
		return http.StatusOK, fmt.Sprintf(`{"_seq_no":%d,"_primary_term":1,"_source":%s}`, old.seq, old.source)
	}
	if strings.Contains(path, "/_create/") == there || there && condition != fmt.Sprintf("if_seq_no=%d&if_primary_term=1", old.seq) {
		return http.StatusConflict, `{}`
	}
	if method == http.MethodDelete {
		delete(f.documents, key)
		return http.StatusOK, `{}`
	}
	f.seq++
	f.documents[key] = fakeDocument{f.seq, body}
	return http.StatusCreated, fmt.Sprintf(`{"_seq_no":%d,"_primary_term":1}`, f.seq)
}

func elasticSteps(t *testing.T, versions ...int64) []elasticStep {
	t.Helper()
	files := fstest.MapFS{}
	for _, v := range versions {
		files[fmt.Sprintf("elasticsearch/%d/%s", v, templateFile)] = &fstest.MapFile{
			Data: fmt.Appendf(nil, `{"template":{"settings":{"index":{}},"mappings":{"_meta":{"step":%d}}}}`, v),
		}
	}
	steps, err := elasticsearchSteps(files)
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

var testIndices = MessageIndices{Prefix: "test", Shards: 3, Replicas: 2}

func TestElasticsearchGoesUpOnce(t *testing.T) {
	f := newFakeElasticsearch()
	for _, versions := range [][]int64{{100}, {100}, {20, 100, 1000}, {20, 100, 1000}} {
		if err := upElasticsearch(t.Context(), f, testIndices, elasticSteps(t, versions...)); err != nil {
			t.Fatal(err)
		}
	}
	// Step 20 is older than what was there: it came too late to be made.
	if len(f.templates) != 2 || !strings.Contains(f.templates[1], `"step":1000`) || len(f.extended) != 2 {
		t.Errorf("got templates %v and %d extensions, want those of steps 100 and 1000", f.templates, len(f.extended))
	}
	err := upElasticsearch(t.Context(), f, testIndices, elasticSteps(t, 100))
	if !errors.Is(err, ErrNewerSchema) {
		t.Errorf("an older program: got error %v, want ErrNewerSchema", err)
	}
	var template struct {
		Patterns []string `json:"index_patterns"`
		Template struct {
			Aliases  map[string]any
			Settings struct{ Index map[string]any }
		}
	}
	if err := json.Unmarshal([]byte(f.templates[0]), &template); err != nil {
		t.Fatal(err)
	}
	want := "{[test-*.*] {map[test:map[]] {map[auto_expand_replicas:0-2 number_of_shards:3]}}}"
	if got := fmt.Sprint(template); got != want {
		t.Errorf("got the template %s, want %s", got, want)
	}
}

// TestElasticsearchFaults: whatever call is not answered, done or not, the next
// run ends as if nothing had been.
func TestElasticsearchFaults(t *testing.T) {
	for _, call := range []string{
		"GET /test-migrations/_doc/schema", "PUT /test-migrations", "GET /_cluster", "GET /test-migrations/_doc/lock", "PUT /test-migrations/_create/lock",
		"PUT /_index_template", "PUT /test-*.*/_mapping", "PUT /test-migrations/_create/schema", "DELETE /test-migrations/_doc/lock",
	} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, done %v", call, done), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFakeElasticsearch()
					f.fails, f.done = call, done
					if err := upElasticsearch(t.Context(), f, testIndices, elasticSteps(t, 100)); err == nil {
						t.Error("a call without an answer was no error")
					}
					began := time.Now()
					if err := upElasticsearch(t.Context(), f, testIndices, elasticSteps(t, 100)); err != nil {
						t.Errorf("the next run: %v", err)
					}
					if took := time.Since(began); took > lockTerm+time.Second {
						t.Errorf("the next run took %v", took)
					}
					if at, err := (records{f, "test"}).readSchema(t.Context()); err != nil || at.Version != 100 || len(at.Steps) != 1 {
						t.Errorf("got %+v and error %v, want one step", at, err)
					}
				})
			})
		}
	}
}

// TestElasticsearchIsNotReadyYet: another host has made the index of records a moment
// ago, and no shard of it answers yet. One that never does is told.
func TestElasticsearchIsNotReadyYet(t *testing.T) {
	for _, test := range []struct {
		name    string
		unready int
		fails   bool
	}{
		{"for a while", 50, false},
		{"for ever", 1e6, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeElasticsearch()
				f.unready = test.unready
				err := upElasticsearch(t.Context(), f, MessageIndices{Prefix: "messages"}, elasticSteps(t, 1))
				if (err != nil) != test.fails {
					t.Errorf("got %v, want a failure: %t", err, test.fails)
				}
				if made := len(f.templates) == 1; made == test.fails {
					t.Errorf("got %d templates", len(f.templates))
				}
			})
		})
	}
}

func TestElasticsearchHostsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeElasticsearch()
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				if err := upElasticsearch(t.Context(), f, testIndices, elasticSteps(t, 100, 200)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(f.templates) != 2 {
			t.Errorf("%d templates were put, want each of the two once", len(f.templates))
		}
	})
}

func TestALostElasticsearchLockStopsItsOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeElasticsearch()
		r := records{f, "test"}
		first, err := takeLock(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(lockTerm + time.Second) // it sleeps too long
		second, err := takeLock(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if err := first.renew(t.Context()); err == nil {
			t.Error("the lock was renewed after it was lost")
		}
		if err := first.release(t.Context()); err != nil {
			t.Errorf("release a lost lock: %v", err)
		}
		if err := second.renew(t.Context()); err != nil {
			t.Errorf("the other owner: %v", err)
		}
	})
}

func TestStatusElasticsearch(t *testing.T) {
	f := newFakeElasticsearch()
	has, newest, err := StatusElasticsearch(t.Context(), f, "test")
	if has != 0 || newest == 0 || err != nil {
		t.Errorf("got step %d of %d and error %v, want 0", has, newest, err)
	}
	if err := UpElasticsearch(t.Context(), f, testIndices); err != nil {
		t.Fatal(err)
	}
	if has, _, err = StatusElasticsearch(t.Context(), f, "test"); has != newest || err != nil {
		t.Errorf("got step %d and error %v, want %d", has, err, newest)
	}
}
