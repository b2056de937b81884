package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/integration/harness"
)

// patience bounds every wait.
const patience = 3 * time.Minute

// binary is the server under test, built once.
var binary harness.Binary

func TestMain(m *testing.M) {
	os.Exit(harness.Main(func(folder string) (_ int, err error) {
		if binary, err = harness.Build(folder, "breakwater"); err != nil {
			return 1, err
		}
		return m.Run(), nil
	}))
}

// call does one HTTP request and decodes its answer.
func call(t *testing.T, base, method, path, token string, body, into any, want int) {
	t.Helper()
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		payload = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, base+path, payload)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		t.Fatalf("%s %s: got %s (%v), want status %d: %s", method, path, response.Status, err, want, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, answer)
	}
}

// pages reads all that is stored of a room, page by page.
func pages(t *testing.T, base string, room int64, token string) []message {
	t.Helper()
	var all []message
	for after := int64(0); ; {
		var page struct {
			Messages []message
			Next     *int64
		}
		call(t, base, http.MethodGet, fmt.Sprintf("/v1/chatrooms/%d/messages?after=%d&limit=500", room, after), token, nil, &page, http.StatusOK)
		all = append(all, page.Messages...)
		if page.Next == nil {
			return all
		}
		if *page.Next <= after {
			t.Fatalf("paging room %d: next is %d after %d", room, *page.Next, after)
		}
		after = *page.Next
	}
}
