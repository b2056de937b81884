package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// documented are the methods of each path that OpenAPI names.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(wire.OpenAPI, &document); err != nil {
		t.Fatal(err)
	}
	paths := make(map[string][]string)
	for path, item := range document.Paths {
		for key := range item {
			if method := strings.ToUpper(key); method != "PARAMETERS" && method != "SUMMARY" && method != "DESCRIPTION" {
				paths[path] = append(paths[path], method)
			}
		}
		slices.Sort(paths[path])
	}
	return paths
}

// TestRoutesAreTheDocumentsPaths asks for each path of OpenAPI and for each that
// differs from one in a way that people try.
func TestRoutesAreTheDocumentsPaths(t *testing.T) {
	s := newStand(t, nil)
	paths := documented(t)
	if len(paths) < 16 {
		t.Fatalf("got %d paths in OpenAPI, want the contract's 16", len(paths))
	}
	patterns := make(map[string]bool)
	for path, want := range paths {
		found, id := s.find(strings.ReplaceAll(path, "{id}", "42"))
		got := slices.Sorted(maps.Keys(found.methods))
		if !slices.Equal(got, want) {
			t.Errorf("%s: got the methods %q, want %q as documented", path, got, want)
		}
		if hasID := strings.Contains(path, "{id}"); hasID != (id == "42") {
			t.Errorf("%s: got the room %q", path, id)
		}
		patterns[found.pattern] = true
		for _, other := range []string{path + "/", path + "/x", strings.ToUpper(path), "/v2" + path, strings.TrimPrefix(path, "/")} {
			if _, known := paths[other]; known {
				continue
			}
			found, id := s.find(other)
			isRoom := found.pattern == "/v1/chatrooms/{id}" && id == "x"
			if found.pattern != "" && found.pattern != "/" && !isRoom {
				t.Errorf("%s: got the route %s, want none", other, found.pattern)
			}
		}
	}
	for pattern := range patterns {
		if _, ok := paths[pattern]; !ok {
			t.Errorf("the route %s is not in OpenAPI", pattern)
		}
	}
}

// TestMethods asks for every path by every method.
func TestMethods(t *testing.T) {
	s := newStand(t, nil)
	for path, methods := range documented(t) {
		path = strings.ReplaceAll(path, "{id}", "1")
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} {
			ctx := s.ask(t, method+" "+path+" HTTP/1.1", "")
			status, allow := ctx.Response.StatusCode(), string(ctx.Response.Header.Peek("Allow"))
			has := slices.Contains(methods, method) || method == "HEAD" && slices.Contains(methods, "GET") && !strings.HasSuffix(path, "/join")
			if has == (status == http.StatusMethodNotAllowed) || status == http.StatusNotFound {
				t.Errorf("%s %s: got status %d, want 405: %v", method, path, status, !has)
			}
			if has {
				continue
			}
			if allow == "" || slices.Contains(strings.Split(allow, ", "), method) {
				t.Errorf("%s %s: it is refused, and Allow says %q", method, path, allow)
			}
			var told problem
			if err := json.Unmarshal(ctx.Response.Body(), &told); err != nil || told.Code != "method_not_allowed" || !strings.Contains(told.Detail, method) {
				t.Errorf("%s %s: got %s, want method_not_allowed and the method's name", method, path, ctx.Response.Body())
			}
		}
	}
}

func TestUnknownPathsAreNotFound(t *testing.T) {
	s := newStand(t, nil)
	for _, path := range []string{"/v1", "/v1/", "/v1/chatrooms/", "/v1/chatrooms/1/", "/v1/chatrooms/1/kick", "/favicon.php", "/../etc/passwd", "/%2e%2e/secret"} {
		ctx := s.ask(t, "GET "+path+" HTTP/1.1", "")
		var told problem
		if err := json.Unmarshal(ctx.Response.Body(), &told); err != nil || told.Status != http.StatusNotFound || told.Code != "not_found" {
			t.Errorf("%s: got status %d, %s, want 404 not_found", path, ctx.Response.StatusCode(), ctx.Response.Body())
		}
	}
}

func TestParseRoom(t *testing.T) {
	for in, want := range map[string]bw.RoomID{
		"1":                     1,
		"42":                    42,
		"2147483647":            bw.MaxRoomID,
		"2147483648":            nowhere,
		"9223372036854775808":   nowhere,
		"0":                     nowhere,
		"-1":                    nowhere,
		"+1":                    nowhere,
		"01":                    nowhere,
		"1.0":                   nowhere,
		"1e3":                   nowhere,
		"0x1":                   nowhere,
		"1_000":                 nowhere,
		" 1":                    nowhere,
		"one":                   nowhere,
		"١":                     nowhere,
		"1\x00":                 nowhere,
		strings.Repeat("1", 99): nowhere,
	} {
		if got := parseRoom(in); got != want {
			t.Errorf("parseRoom(%q): got %d, want %d", in, got, want)
		}
	}
}

func TestRoomsThatCannotBeAreNoSuchRoom(t *testing.T) {
	s := newStand(t, nil)
	for _, id := range []string{"0", "-1", "x", "99999999999999999999", "%00", "1%20"} {
		ctx := s.ask(t, fmt.Sprintf("GET /v1/chatrooms/%s HTTP/1.1", id), "")
		var told problem
		if err := json.Unmarshal(ctx.Response.Body(), &told); err != nil || told.Code != "no_such_room" {
			t.Errorf("room %s: got status %d, %s, want 404 no_such_room", id, ctx.Response.StatusCode(), ctx.Response.Body())
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "",
		"BREW":                        "BREW",
		strings.Repeat("x", 32):       strings.Repeat("x", 32),
		strings.Repeat("x", 33):       strings.Repeat("x", 32),
		"a\xffb":                      "a?b",
		strings.Repeat("x", 31) + "ä": strings.Repeat("x", 31) + "?",
	} {
		got := printable(in)
		if got != want || !utf8.ValidString(got) {
			t.Errorf("printable(%q): got %q, want %q", in, got, want)
		}
	}
}
