package contract

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// TestBodies gives every route that takes a body the same bad ones.
func TestBodies(t *testing.T) {
	p := newPerson(t, "Ada")
	r := p.newRoom()
	for _, route := range []struct{ name, path, good string }{
		{"sign up", "/v1/chatrooms/users", `"name":"x"`},
		{"log in", "/v1/chatrooms/users/login", `"name":"x","password":"12345678"`},
		{"create a room", "/v1/chatrooms", `"name":"x"`},
		{"post a message", r.path("/messages"), `"id":"x","text":"x"`},
	} {
		for _, row := range []struct {
			name, body string
			status     int
			code       string
		}{
			{"nothing", "", http.StatusBadRequest, "bad_json"},
			{"no JSON", "x", http.StatusBadRequest, "bad_json"},
			{"cut off", "{" + route.good, http.StatusBadRequest, "bad_json"},
			{"an array", "[]", http.StatusBadRequest, "bad_json"},
			{"null", "null", http.StatusBadRequest, "bad_json"},
			{"two objects", "{" + route.good + "}{}", http.StatusBadRequest, "bad_json"},
			{"an unknown field", "{" + route.good + `,"x":1}`, http.StatusBadRequest, "unknown_field"},
			{"a field in another case", "{" + strings.Replace(route.good, `"`, `"X`, 1) + "}", http.StatusBadRequest, "unknown_field"},
			{"a field twice", "{" + route.good + "," + route.good + "}", http.StatusBadRequest, "bad_json"},
			{"a field of another type", "{" + strings.Replace(route.good, `"x"`, `1`, 1) + "}", http.StatusBadRequest, "bad_json"},
			{"invalid UTF-8", "{" + strings.Replace(route.good, `"x"`, "\"\xff\"", 1) + "}", http.StatusBadRequest, "bad_json"},
			{"half a surrogate pair", "{" + strings.Replace(route.good, `"x"`, `"\ud800"`, 1) + "}", http.StatusBadRequest, "bad_json"},
			{"nested deeper than any", strings.Repeat("[", 20_000), http.StatusBadRequest, "bad_json"},
			{"a byte over 64 KiB", "{" + strings.Replace(route.good, `"x"`, `"`+strings.Repeat("x", 64<<10)+`"`, 1) + "}", http.StatusRequestEntityTooLarge, "body_too_large"},
		} {
			t.Run(route.name+"/"+row.name, func(t *testing.T) {
				request{method: "POST", path: route.path, token: p.Token, body: row.body}.do(t).refused(row.status, row.code)
			})
		}
	}
}

// TestContentTypeOfABody holds it to be of no account: JSON is what there is.
func TestContentTypeOfABody(t *testing.T) {
	for _, kind := range []string{"", "application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		t.Run(kind, func(t *testing.T) {
			request{method: "POST", path: "/v1/chatrooms/users", body: map[string]string{"name": unique("typed")}, header: http.Header{"Content-Type": {kind}}}.do(t).ok(http.StatusCreated, nil)
		})
	}
}

func TestPathsAndMethods(t *testing.T) {
	p := newPerson(t, "Ada")
	r := p.newRoom()
	for _, row := range []struct {
		method, path, code string
		status             int
	}{
		{"GET", "/nowhere", "not_found", 404},
		{"GET", "/v1", "not_found", 404},
		{"GET", "/v1/chatrooms/", "not_found", 404},
		{"GET", r.path("/"), "not_found", 404},
		{"GET", r.path("/nothing"), "not_found", 404},
		{"GET", "/v1/chatrooms/abc", "no_such_room", 404},
		{"GET", "/v1/chatrooms/0", "no_such_room", 404},
		{"GET", "/v1/chatrooms/-1", "no_such_room", 404},
		{"GET", "/v1/chatrooms/01", "no_such_room", 404},
		{"GET", "/v1/chatrooms/9007199254740993", "no_such_room", 404},
		{"GET", "/v1/chatrooms/99999999999999999999", "no_such_room", 404},
		{"DELETE", "/v1/chatrooms", "method_not_allowed", 405},
		{"PUT", r.path(""), "method_not_allowed", 405},
		{"GET", "/v1/chatrooms/users/login", "method_not_allowed", 405},
		{"POST", "/healthz", "method_not_allowed", 405},
		{"POST", r.path("/join"), "method_not_allowed", 405},
	} {
		t.Run(row.method+" "+row.path, func(t *testing.T) {
			a := request{method: row.method, path: row.path, token: p.Token}.do(t).refused(row.status, row.code)
			if allow := a.header.Get("Allow"); (allow != "") != (row.status == http.StatusMethodNotAllowed) {
				t.Errorf("got Allow %q with status %d, want it with 405 only", allow, row.status)
			}
		})
	}
}
