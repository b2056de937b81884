// Package elastic holds the history in Elasticsearch, and the indexer that fills
// it, to their contracts and to what they promise when it is frozen and killed.
package elastic_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/history/elastic"
	"github.com/breakwater-chat/breakwater/integration/services"

	"github.com/breakwater-chat/breakwater/integration/harness"
)

// patience is how long anything may take that must happen.
const patience = 3 * time.Minute

// server is the Elasticsearch of all tests; those that hurt it wait until it is well.
var server *services.Service

func TestMain(m *testing.M) {
	os.Exit(harness.Main(func(string) (int, error) { return run(m) }))
}

func run(m *testing.M) (status int, err error) {
	if server, err = services.StartElasticsearch(context.Background()); err != nil {
		return 1, err
	}
	defer server.Close()
	return m.Run(), nil
}

var prefixes atomic.Int64

// config is that of a deployment of its own, removed at the end of the test.
func config(t testing.TB) elastic.Config {
	t.Helper()
	prefix := fmt.Sprintf("test%d_%d", os.Getpid(), prefixes.Add(1))
	t.Cleanup(func() {
		raw(t, http.MethodDelete, "/"+prefix+"-migrations?ignore_unavailable=true", "")
		for index := range raw(t, http.MethodGet, "/"+prefix+"-*/_alias?expand_wildcards=all", "") {
			raw(t, http.MethodDelete, "/"+index, "")
		}
		raw(t, http.MethodDelete, "/_index_template/"+prefix, "")
	})
	return elastic.Config{
		URLs: server.URL, Prefix: prefix,
		Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

// migrated is a configuration whose schema is there.
func migrated(t testing.TB) elastic.Config {
	t.Helper()
	cfg := config(t)
	must(t, "migrate", elastic.Migrate(t.Context(), cfg))
	return cfg
}

func open(t testing.TB, cfg elastic.Config) *elastic.History {
	t.Helper()
	h, err := elastic.Open(t.Context(), cfg)
	must(t, "open", err)
	t.Cleanup(func() { must(t, "close", h.Close()) })
	return h
}

// raw asks Elasticsearch past the history.
func raw(t testing.TB, method, path, body string) (answer map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, server.URL+path, strings.NewReader(body))
	must(t, "make a request", err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	must(t, method+" "+path, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, "read the answer", err)
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	must(t, "understand "+string(text), decoder.Decode(&answer))
	return answer
}

// documents counts what an alias or index has, refreshed.
func documents(t testing.TB, index string) string {
	t.Helper()
	raw(t, http.MethodPost, "/"+index+"/_refresh", "")
	return fmt.Sprint(raw(t, http.MethodGet, "/"+index+"/_count", "")["count"])
}

// lines makes the messages from..to of a room, one a second from a moment on.
func lines(room bw.RoomID, from, to bw.Seq, begin time.Time) []bw.Message {
	var batch []bw.Message
	for seq := from; seq <= to; seq++ {
		batch = append(batch, bw.Message{
			Room: room, Epoch: 5, Seq: seq, ID: bw.MessageID(fmt.Sprint("id", seq)), User: "ann",
			Text: fmt.Sprintf("message %d", seq), Timestamp: bw.MillisOf(begin.Add(time.Duration(seq) * time.Second)),
		})
	}
	return batch
}

func put(t testing.TB, h *elastic.History, batch ...bw.Message) {
	t.Helper()
	for i, err := range h.Put(context.Background(), batch) {
		must(t, fmt.Sprintf("put message %d of %d", i+1, len(batch)), err)
	}
}

func show(t testing.TB, h *elastic.History) {
	t.Helper()
	must(t, "refresh", h.Refresh(context.Background()))
}

func page(t testing.TB, h history.History, q history.PageQuery) history.Page {
	t.Helper()
	p, err := h.ReadPage(context.Background(), q)
	must(t, fmt.Sprintf("read the page %+v", q), err)
	return p
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func must(t testing.TB, doing string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
}
