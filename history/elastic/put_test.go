package elastic

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-chat/breakwater/history"
)

// TestOutcomes: each message of a bulk request has its own.
func TestOutcomes(t *testing.T) {
	const stored = `{"chatroom":1,"user":"ann","message":"message 0","timestamp":1795651200000,"epoch":5,"seq":1,"id":"id0"}`
	for _, row := range []struct {
		name, item, there string
		durable, rejected bool
	}{
		{"created", `"status":201`, "", true, false},
		{"there already", `"status":409`, `{"docs":[{"found":true,"_source":` + stored + `}]}`, true, false},
		{"another is there", `"status":409`, `{"docs":[{"found":true,"_source":` + strings.Replace(stored, "ann", "bob", 1) + `}]}`, false, true},
		{"it was there and is gone", `"status":409`, `{"docs":[{"found":false}]}`, false, false},
		{"nobody knows what is there", `"status":409`, `{"docs":[]}`, false, false},
		{"it cannot be parsed", `"status":400,"error":{"type":"document_parsing_exception","reason":"long"}`, "", false, true},
		{"the index is closed", `"status":400,"error":{"type":"index_closed_exception"}`, "", false, false},
		{"there are too many shards", `"status":400,"error":{"type":"validation_exception"}`, "", false, false},
		{"the index has another shape", `"status":400,"error":{"type":"strict_dynamic_mapping_exception"}`, "", false, false},
		{"the disk is full", `"status":429,"error":{"type":"cluster_block_exception"}`, "", false, false},
		{"the queue is full", `"status":429,"error":{"type":"es_rejected_execution_exception"}`, "", false, false},
		{"the shard is away", `"status":503,"error":{"type":"unavailable_shards_exception"}`, "", false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFake(t, func(path, _ string) answer {
				if path == "/_mget" {
					return answer{200, row.there}
				}
				return answer{200, `{"items":[{"create":{` + row.item + `}},{"create":{"status":201}}]}`}
			})
			errs := openFake(t, f, Config{}).Put(background, lines(2))
			if durable, rejected := errs[0] == nil, errors.Is(errs[0], history.ErrRejected); durable != row.durable || rejected != row.rejected {
				t.Errorf("got error %v, want durable %v, rejected %v", errs[0], row.durable, row.rejected)
			}
			if errs[1] != nil {
				t.Errorf("its neighbour: got error %v, want none", errs[1])
			}
		})
	}
}

// TestARequestThatIsNotUnderstood is halved until the culprit stands alone.
func TestARequestThatIsNotUnderstood(t *testing.T) {
	f := newFake(t, func(_, body string) answer {
		if strings.Contains(body, `"message 5"`) {
			return answer{http.StatusBadRequest, "a line is broken"}
		}
		n := strings.Count(body, "\n") / 2
		return answer{200, `{"items":[` + strings.Repeat(`{"create":{"status":201}},`, n-1) + `{"create":{"status":201}}]}`}
	})
	for i, err := range openFake(t, f, Config{}).Put(background, lines(9)) {
		if want := i == 5; errors.Is(err, history.ErrRejected) != want || !want && err != nil {
			t.Errorf("message %d: got error %v, want rejected %v", i, err, want)
		}
	}
}

// TestPutDoesNotGoOnInVain: one request tells that Elasticsearch takes nothing.
func TestPutDoesNotGoOnInVain(t *testing.T) {
	f := newFake(t, func(string, string) answer { return answer{http.StatusTooManyRequests, "busy"} })
	errs := openFake(t, f, Config{}).Put(background, lines(3*bulkMessages))
	if i := slices.IndexFunc(errs, func(err error) bool { return err == nil || errors.Is(err, history.ErrRejected) }); i >= 0 {
		t.Errorf("message %d: got error %v, want one that passes", i, errs[i])
	}
	if want := "[POST /_bulk]"; fmt.Sprint(f.asked) != want {
		t.Errorf("got requests %v, want %s", f.asked, want)
	}
}

func TestBatchesAreCut(t *testing.T) {
	large := lines(4)
	for i := range large {
		large[i].Text = strings.Repeat("x", bulkBytes/5)
	}
	for _, row := range []struct{ n, want int }{{cut(lines(1)), 1}, {cut(lines(1000)), 1000}, {cut(lines(1001)), 1000}, {cut(large), 2}} {
		if row.n != row.want {
			t.Errorf("got %d messages in a request, want %d", row.n, row.want)
		}
	}
}
