package wiretest_test

import (
	"strings"
	"testing"

	"github.com/breakwater-chat/breakwater/wire/wiretest"
)

func newChecker(t *testing.T) *wiretest.Checker {
	t.Helper()
	c, err := wiretest.NewChecker()
	if err != nil {
		t.Fatalf("the documents do not compile: %v", err)
	}
	return c
}

// verdict compares an answer of the checker with the words that it must have;
// "" is acceptance.
func verdict(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got %v, want it accepted", err)
	case want != "" && err == nil:
		t.Errorf("got it accepted, want an error with %q", want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("got %v, want an error with %q", err, want)
	}
}

func TestServerFrames(t *testing.T) {
	c := newChecker(t)
	for _, row := range []struct{ name, frame, want string }{
		{"a frame as it should be", `{"type":"left","id":"a","room":1}`, ""},
		{"an error without retry", `{"type":"error","code":"bad_json","detail":"No."}`, ""},
		{"a retryable error must say when", `{"type":"error","code":"unavailable","detail":"No."}`, "retry_after_ms"},
		{"an unknown code", `{"type":"error","code":"oops","detail":"No."}`, "code"},
		{"a field too many", `{"type":"left","id":"a","room":1,"x":1}`, "additional"},
		{"a field too few", `{"type":"left","id":"a"}`, "room"},
		{"a room that is none", `{"type":"left","id":"a","room":0}`, "minimum"},
		{"type is not first", `{"id":"a","type":"left","room":1}`, "begin with its type"},
		{"a client's frame", `{"type":"send","id":"a","room":1,"text":"x"}`, "no frame of type"},
		{"a name twice", `{"type":"left","id":"a","room":1,"room":1}`, "strictly"},
		{"something behind it", `{"type":"left","id":"a","room":1} 1`, "strictly"},
	} {
		t.Run(row.name, func(t *testing.T) { verdict(t, c.ServerFrame([]byte(row.frame)), row.want) })
	}
}

func TestClientFrames(t *testing.T) {
	c := newChecker(t)
	for _, row := range []struct{ name, frame, want string }{
		{"a frame as it should be", `{"room":1,"type":"send","id":"a","text":"x"}`, ""},
		{"a page from the start", `{"type":"history","id":"a","after":0}`, ""},
		{"a page with two ends", `{"type":"history","id":"a","after":1,"before":5}`, "not"},
		{"no id", `{"type":"send","text":"x"}`, "id"},
		{"half a position", `{"type":"join","id":"a","room":1,"since":{"seq":1}}`, "epoch"},
		{"a server's frame", `{"type":"ack","id":"a"}`, "no frame of type"},
	} {
		t.Run(row.name, func(t *testing.T) { verdict(t, c.ClientFrame([]byte(row.frame)), row.want) })
	}
}

func TestHTTP(t *testing.T) {
	const (
		jsonType = "application/json; charset=utf-8"
		problem  = "application/problem+json"
		room     = `{"id":1,"name":"Harbour","created_at":5,"users":0}`
		noRoom   = `{"type":"about:blank","status":404,"title":"No such room","detail":"No.","code":"no_such_room"}`
		noPath   = `{"type":"about:blank","status":404,"title":"Not found","detail":"No.","code":"not_found"}`
		noMethod = `{"type":"about:blank","status":405,"title":"Not allowed","detail":"No.","code":"method_not_allowed"}`
	)
	c := newChecker(t)
	for _, row := range []struct {
		name, method, path string
		status             int
		contentType, body  string
		want               string
	}{
		{"a room", "GET", "/v1/chatrooms/1", 200, jsonType, room, ""},
		{"a room with a query", "GET", "/v1/chatrooms/1?token=x", 200, jsonType, room, ""},
		{"a room that is not as described", "GET", "/v1/chatrooms/1", 200, jsonType, `{"id":1}`, "created_at"},
		{"a room as text", "GET", "/v1/chatrooms/1", 200, "text/plain", room, "content type"},
		{"no such room", "GET", "/v1/chatrooms/9", 404, problem, noRoom, ""},
		{"no such room in plain JSON", "GET", "/v1/chatrooms/9", 404, jsonType, noRoom, "content type"},
		{"a status that the path does not have", "GET", "/v1/chatrooms/9", 409, problem, noRoom, "not in the document"},
		{"a code that the status does not have", "POST", "/v1/chatrooms", 409, problem, strings.Replace(noRoom, "404", "409", 1), "code"},
		{"the literal path comes first", "POST", "/v1/chatrooms/users", 201, jsonType, `{"id":1,"name":"A","token":"t","expires_at":1}`, ""},
		{"an upgrade", "GET", "/v1/chatrooms/1/join", 101, "", "", ""},
		{"metrics", "GET", "/metrics", 200, "text/plain; version=0.0.4", "x 1\n", ""},
		{"an unknown path", "GET", "/nowhere", 404, problem, noPath, ""},
		{"an unknown path that answers", "GET", "/nowhere", 200, jsonType, `{}`, "not in the document"},
		{"an unknown path with the wrong code", "GET", "/nowhere", 404, problem, noRoom, "not_found"},
		{"an unknown method", "DELETE", "/v1/chatrooms/1", 405, problem, noMethod, ""},
		{"an unknown method with the wrong status", "DELETE", "/v1/chatrooms/1", 404, problem, noMethod, "want 405"},
	} {
		t.Run(row.name, func(t *testing.T) {
			verdict(t, c.HTTP(row.method, row.path, row.status, row.contentType, []byte(row.body)), row.want)
		})
	}
}
