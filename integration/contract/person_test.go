package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// counter makes names that no other test has.
var counter atomic.Int64

func unique(what string) string { return fmt.Sprintf("%s %d", what, counter.Add(1)) }

// answer is a response, already held against the OpenAPI document.
type answer struct {
	*testing.T
	what   string
	status int
	header http.Header
	body   []byte
}

// request is one HTTP request to a server; an empty token sends none.
type request struct {
	base, method, path, token string
	// body is sent as it is if it is a string, as JSON if it is anything else.
	body   any
	header http.Header
}

func (r request) do(t *testing.T) answer {
	t.Helper()
	var payload io.Reader
	switch body := r.body.(type) {
	case nil:
	case string:
		payload = strings.NewReader(body)
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		payload = bytes.NewReader(encoded)
	}
	at := r.base
	if at == "" {
		at = base()
	}
	out, err := http.NewRequestWithContext(t.Context(), r.method, at+r.path, payload)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range r.header {
		out.Header[name] = values
	}
	if r.token != "" {
		out.Header.Set("Authorization", "Bearer "+r.token)
	}
	response, err := http.DefaultClient.Do(out)
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: reading the answer: %v", r.method, r.path, err)
	}
	if err := documents.HTTP(r.method, r.path, response.StatusCode, response.Header.Get("Content-Type"), body); err != nil {
		t.Errorf("an answer that the OpenAPI document does not have: %v", err)
	}
	return answer{t, r.method + " " + r.path, response.StatusCode, response.Header, body}
}

// ok decodes a success.
func (a answer) ok(status int, into any) answer {
	a.Helper()
	if a.status != status {
		a.Fatalf("%s: got status %d with %s, want %d", a.what, a.status, a.body, status)
	}
	if into != nil {
		if err := json.Unmarshal(a.body, into); err != nil {
			a.Fatalf("%s: %v: %s", a.what, err, a.body)
		}
	}
	return a
}

// refused holds the answer to a problem document (RFC 9457) with a code.
func (a answer) refused(status int, code string) answer {
	a.Helper()
	var problem struct {
		Status        int
		Title, Detail string
		Code          string
	}
	if err := json.Unmarshal(a.body, &problem); err != nil {
		a.Fatalf("%s: got status %d with a body that is no problem document: %q", a.what, a.status, a.body)
	}
	if a.status != status || problem.Code != code || problem.Status != status {
		a.Errorf("%s: got status %d with %s, want %d %s", a.what, a.status, a.body, status, code)
	}
	if problem.Title == "" || problem.Detail == "" {
		a.Errorf("%s: got %s, want a title and a detail", a.what, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.Errorf("%s: got content type %q, want application/problem+json", a.what, got)
	}
	retry := a.header.Get("Retry-After")
	if wants := status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable; wants != (retry != "") {
		a.Errorf("%s: got Retry-After %q with status %d: it goes with 429 and 503 and no other", a.what, retry, status)
	}
	return a
}

// person is a user with a token, at one server.
type person struct {
	*testing.T
	base      string
	ID        int64
	Name      string
	Token     string
	ExpiresAt int64 `json:"expires_at"`
}

// newPerson signs somebody up at the shared server.
func newPerson(t *testing.T, name string) *person {
	t.Helper()
	return newPersonAt(t, base(), name)
}

func newPersonAt(t *testing.T, base, name string) *person {
	t.Helper()
	p := &person{T: t, base: base}
	request{base: base, method: "POST", path: "/v1/chatrooms/users", body: map[string]string{"name": unique(name)}}.do(t).ok(http.StatusCreated, p)
	return p
}

func (p *person) get(path string) answer {
	p.Helper()
	return request{base: p.base, method: "GET", path: path, token: p.Token}.do(p.T)
}

func (p *person) post(path string, body any) answer {
	p.Helper()
	return request{base: p.base, method: "POST", path: path, token: p.Token, body: body}.do(p.T)
}

// room is a room of the contract.
type room struct {
	ID        int64  `json:"id"`
	Name      string `json:"name"`
	CreatedAt int64  `json:"created_at"`
	Users     int    `json:"users"`
}

// newRoom makes a room.
func (p *person) newRoom() room {
	p.Helper()
	var r room
	p.post("/v1/chatrooms", map[string]string{"name": unique("room")}).ok(http.StatusCreated, &r)
	return r
}

// path is that of the room or of something below it.
func (r room) path(below string) string { return fmt.Sprintf("/v1/chatrooms/%d%s", r.ID, below) }

// say posts a message by HTTP and returns where it stands.
func (p *person) say(r room, id, text string) message {
	p.Helper()
	m := message{Room: r.ID, ID: id, User: p.Name, Text: text}
	p.post(r.path("/messages"), map[string]string{"id": id, "text": text}).ok(http.StatusCreated, &m)
	return m
}

// sayMany posts messages "text 1" to "text n".
func (p *person) sayMany(r room, n int) []message {
	p.Helper()
	var all []message
	for i := 1; i <= n; i++ {
		all = append(all, p.say(r, unique("many"), fmt.Sprintf("text %d", i)))
	}
	return all
}

// message is a message of the contract.
type message struct {
	Room      int64  `json:"room"`
	Epoch     int64  `json:"epoch"`
	Seq       int64  `json:"seq"`
	ID        string `json:"id"`
	User      string `json:"user"`
	Text      string `json:"text"`
	Timestamp int64  `json:"timestamp"`
}

// page is an answer of GET messages.
type page struct {
	Epoch    int64
	Messages []message
	Next     *int64
}
