package stand

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
)

// maxBulk bounds a bulk request and its answer, in bytes; servers send 5 MiB at most.
const maxBulk = 64 << 20

// bulk passes requests on to Elasticsearch and can make single items of bulk requests
// fail: by turns one that was kept back, and one that was stored all the same.
type bulk struct {
	pass  *httputil.ReverseProxy
	every atomic.Int64 // 0: none

	seen, failed atomic.Int64
}

func newBulk(target string) *bulk {
	pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target})
	pass.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
	// What goes wrong is a cut connection to the server, as it would be without a proxy.
	pass.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	return &bulk{pass: pass}
}

func (b *bulk) close() {
	if t, ok := b.pass.Transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

func (b *bulk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	nth := b.every.Load()
	if nth == 0 || !strings.HasSuffix(r.URL.Path, "/_bulk") {
		b.pass.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBulk))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	fates, kept := b.choose(body, nth)
	if len(kept) == 0 { // Elasticsearch takes no empty request
		b.answer(w, nil, fates)
		return
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(kept)), int64(len(kept))
	r.Header.Set("Content-Length", strconv.Itoa(len(kept)))
	whole := &collected{header: http.Header{}, status: http.StatusOK}
	b.pass.ServeHTTP(whole, r)
	if whole.status != http.StatusOK {
		w.WriteHeader(whole.status)
		_, _ = w.Write(whole.body.Bytes()) // a server that went away misses nothing
		return
	}
	b.answer(w, whole.body.Bytes(), fates)
}

// fate is what is to become of an item.
type fate int

const (
	done fate = iota
	keptBack
	denied // stored, and said to have failed
)

// choose says what is to become of each item, and leaves those out that are kept back.
func (b *bulk) choose(body []byte, nth int64) (fates []fate, kept []byte) {
	lines := bytes.SplitAfter(body, []byte("\n"))
	for i := 0; i+1 < len(lines); i += 2 { // what to do, and the document
		f := done
		if b.seen.Add(1)%nth == 0 {
			f = keptBack
			if b.failed.Add(1)%2 == 0 {
				f = denied
			}
		}
		fates = append(fates, f)
		if f != keptBack {
			kept = append(append(kept, lines[i]...), lines[i+1]...)
		}
	}
	return fates, kept
}

// failure is what Elasticsearch says of an item that it is too busy for.
const failure = `{"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"rejected by a drill"}}}`

// answer puts the failures among Elasticsearch's answers.
func (b *bulk) answer(w http.ResponseWriter, said []byte, fates []fate) {
	var outcome struct {
		Items []json.RawMessage `json:"items"`
	}
	if len(said) > 0 && json.Unmarshal(said, &outcome) != nil {
		panic(http.ErrAbortHandler)
	}
	var items []json.RawMessage
	next := outcome.Items
	for _, f := range fates {
		item := json.RawMessage(failure)
		if f != keptBack && len(next) > 0 {
			if f == done {
				item = next[0]
			}
			next = next[1:]
		}
		items = append(items, item)
	}
	w.Header().Set("Content-Type", "application/json")
	// The client of Elasticsearch's makers looks for it.
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": true, "items": items})
}

// collected is an answer that is kept to be changed.
type collected struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (c *collected) Header() http.Header    { return c.header }
func (c *collected) WriteHeader(status int) { c.status = status }

func (c *collected) Write(p []byte) (int, error) {
	if c.body.Len()+len(p) > maxBulk {
		return 0, fmt.Errorf("an answer of more than %d bytes", maxBulk)
	}
	return c.body.Write(p)
}
