package stand

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// indexed is an Elasticsearch that stores what it is given and says so.
type indexed struct{ stored []string }

func (x *indexed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var items []string
	for i, line := range strings.Split(strings.TrimSpace(string(body)), "\n") {
		if i%2 == 1 {
			x.stored = append(x.stored, line)
			items = append(items, `{"create":{"status":201}}`)
		}
	}
	fmt.Fprintf(w, `{"items":[%s]}`, strings.Join(items, ","))
}

// One item in three fails: the first of them was not stored, the second was.
func TestSingleItemsFail(t *testing.T) {
	var behind indexed
	server := httptest.NewServer(&behind)
	defer server.Close()
	b := newBulk(strings.TrimPrefix(server.URL, "http://"))
	defer b.close()
	front := httptest.NewServer(b)
	defer front.Close()
	put := func(documents ...string) (statuses []int) {
		t.Helper()
		var body strings.Builder
		for _, d := range documents {
			fmt.Fprintf(&body, "{\"create\":{}}\n%s\n", d)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front.URL+"/_bulk?filter_path=items", strings.NewReader(body.String()))
		if err != nil {
			t.Fatal(err)
		}
		request.Close = true
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var answer struct {
			Items []struct{ Create struct{ Status int } }
		}
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		for _, i := range answer.Items {
			statuses = append(statuses, i.Create.Status)
		}
		return statuses
	}
	for _, row := range []struct {
		every     int64
		documents []string
		statuses  string
		stored    string
	}{
		{0, []string{"a", "b"}, "[201 201]", "[a b]"},
		{3, []string{"c", "d", "e", "f"}, "[201 201 429 201]", "[a b c d f]"},
		{3, []string{"g", "h"}, "[201 429]", "[a b c d f g h]"},
		{1, []string{"i"}, "[429]", "[a b c d f g h]"}, // nothing is left to ask for
	} {
		b.every.Store(row.every)
		if got := fmt.Sprint(put(row.documents...)); got != row.statuses {
			t.Errorf("of %v: got the statuses %s, want %s", row.documents, got, row.statuses)
		}
		if got := fmt.Sprint(behind.stored); got != row.stored {
			t.Errorf("after %v: got %s stored, want %s", row.documents, got, row.stored)
		}
	}
}
