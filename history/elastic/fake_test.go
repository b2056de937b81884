package elastic

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/migrations"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answer is what the fake says to one request.
type answer struct {
	status int
	body   string
}

// fake is an Elasticsearch that says what a test wants. It has the schema.
type fake struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // method, path and body of each request but those for the schema
	say   func(path, body string) answer
}

func newFake(t *testing.T, say func(path, body string) answer) *fake {
	t.Helper()
	f := &fake{say: say}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "-migrations/_doc/schema") {
		fmt.Fprint(w, `{"_seq_no":1,"_primary_term":1,"_source":{"version":99999999999}}`)
		return
	}
	f.mu.Lock()
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	say := f.say(r.URL.Path, string(body))
	f.mu.Unlock()
	w.WriteHeader(say.status)
	fmt.Fprint(w, say.body)
}

func openFake(t *testing.T, f *fake, cfg Config) *History {
	t.Helper()
	cfg.URLs = f.URL
	h, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := h.Close(); err != nil {
			t.Errorf("close again: %v", err)
		}
	})
	return h
}

func lines(n int) []bw.Message {
	batch := make([]bw.Message, n)
	for i := range batch {
		batch[i] = bw.Message{
			Room: 1, Epoch: 5, Seq: bw.Seq(i + 1), ID: bw.MessageID(fmt.Sprint("id", i)), User: "ann",
			Text: fmt.Sprintf("message %d", i), Timestamp: bw.MillisOf(time.Date(2026, 11, 26, 0, 0, i, 0, time.UTC)),
		}
	}
	return batch
}

var _ migrations.Elasticsearch = (*client)(nil)

var background = context.Background()
