package server

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// handshake is a good one, a header a line (RFC 6455, section 1.3).
var handshake = []string{
	"Connection: Upgrade",
	"Upgrade: websocket",
	"Sec-WebSocket-Version: 13",
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
}

// with is the handshake with the header in another way; no value leaves it out.
func with(name, value string) []string {
	lines := slices.DeleteFunc(slices.Clone(handshake), func(l string) bool { return strings.HasPrefix(l, name+":") })
	if value != "" {
		lines = append(lines, name+": "+value)
	}
	return lines
}

func TestCheckHandshake(t *testing.T) {
	for _, test := range []struct {
		name    string
		first   string // GET /… HTTP/1.1 if left out
		headers []string
		status  int
		// upgrade and version are headers that a 426 must have.
		upgrade, version string
	}{
		{name: "a good one", headers: handshake, status: 101},
		{name: "other cases", headers: []string{"connection: upgrade", "UPGRADE: WebSocket", "sec-websocket-version: 13", handshake[3]}, status: 101},
		{name: "one of several connections", headers: with("Connection", "keep-alive, Upgrade"), status: 101},
		{name: "one of several upgrades", headers: with("Upgrade", "h2c, websocket"), status: 101},
		{name: "a connection on two lines", headers: append([]string{"Connection: keep-alive"}, handshake...), status: 101},
		{name: "a plain request", headers: nil, status: 426, upgrade: "websocket"},
		{name: "no upgrade", headers: with("Upgrade", ""), status: 426, upgrade: "websocket"},
		{name: "another upgrade", headers: with("Upgrade", "h2c"), status: 426, upgrade: "websocket"},
		{name: "no connection", headers: with("Connection", ""), status: 426, upgrade: "websocket"},
		{name: "a connection without the upgrade", headers: with("Connection", "keep-alive"), status: 426, upgrade: "websocket"},
		{name: "no version", headers: with("Sec-WebSocket-Version", ""), status: 426, upgrade: "websocket", version: "13"},
		{name: "an older version", headers: with("Sec-WebSocket-Version", "8"), status: 426, upgrade: "websocket", version: "13"},
		{name: "a longer version", headers: with("Sec-WebSocket-Version", "131"), status: 426, upgrade: "websocket", version: "13"},
		{name: "no key", headers: with("Sec-WebSocket-Key", ""), status: 400},
		{name: "a short key", headers: with("Sec-WebSocket-Key", "dGhlIHNhbXBsZQ=="), status: 400},
		{name: "a long key", headers: with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==AAAA"), status: 400},
		{name: "a key that is no base64", headers: with("Sec-WebSocket-Key", "not base64 but 24 bytes!"), status: 400},
		{name: "two keys", headers: append([]string{"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}, handshake...), status: 400},
		{name: "HTTP/1.0", first: "GET /v1/chatrooms/1/join HTTP/1.0", headers: handshake, status: 400},
		{name: "a body", headers: with("Content-Length", "5"), status: 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStand(t, nil)
			first := test.first
			if first == "" {
				first = "GET /v1/chatrooms/1/join HTTP/1.1"
			}
			body := ""
			headers := append([]string{first, "Authorization: Bearer " + s.token}, test.headers...)
			if i := slices.Index(headers, "Content-Length: 5"); i >= 0 {
				headers, body = slices.Delete(headers, i, i+1), "hello"
			}
			ctx := s.ask(t, strings.Join(headers, "\n"), body)
			if test.status == http.StatusSwitchingProtocols {
				if !ctx.Hijacked() {
					t.Errorf("got status %d, %s, want the connection taken over", ctx.Response.StatusCode(), ctx.Response.Body())
				}
				return
			}
			var told problem
			if err := json.Unmarshal(ctx.Response.Body(), &told); err != nil || told.Status != test.status || ctx.Response.StatusCode() != test.status || ctx.Hijacked() {
				t.Errorf("got status %d, %s, want a problem document of %d", ctx.Response.StatusCode(), ctx.Response.Body(), test.status)
			}
			h := &ctx.Response.Header
			if upgrade, version := string(h.Peek("Upgrade")), string(h.Peek("Sec-WebSocket-Version")); upgrade != test.upgrade || version != test.version {
				t.Errorf("got Upgrade %q and Sec-WebSocket-Version %q, want %q and %q", upgrade, version, test.upgrade, test.version)
			}
		})
	}
}

// TestJoinChecksInOrder gives a request more than one fault; the contract says
// which is told.
func TestJoinChecksInOrder(t *testing.T) {
	s := newStand(t, nil)
	bearer := "\nAuthorization: Bearer " + s.token
	for _, test := range []struct{ name, head, code string }{
		{"no token, no room", "GET /v1/chatrooms/9/join?user=bob HTTP/1.1", "unauthorized"},
		{"no room, another's name", "GET /v1/chatrooms/9/join?user=bob HTTP/1.1" + bearer, "no_such_room"},
		{"another's name, no WebSocket", "GET /v1/chatrooms/1/join?user=bob HTTP/1.1" + bearer, "not_your_name"},
		{"a name that is none", "GET /v1/chatrooms/1/join?user=%20 HTTP/1.1" + bearer, "not_your_name"},
		{"no WebSocket, half a position", "GET /v1/chatrooms/1/join?user=ann&since=1 HTTP/1.1" + bearer, "upgrade_required"},
		{"half a position", "GET /v1/chatrooms/1/join?since=1 HTTP/1.1" + bearer + "\n" + strings.Join(handshake, "\n"), "bad_query"},
		{"the other half", "GET /v1/chatrooms/1/join?epoch=1 HTTP/1.1" + bearer + "\n" + strings.Join(handshake, "\n"), "bad_query"},
		{"a position that is none", "GET /v1/chatrooms/1/join?epoch=1&since=x HTTP/1.1" + bearer + "\n" + strings.Join(handshake, "\n"), "bad_query"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := s.ask(t, test.head, "")
			var told problem
			if err := json.Unmarshal(ctx.Response.Body(), &told); err != nil || told.Code != test.code {
				t.Errorf("got status %d, %s, want the code %s", ctx.Response.StatusCode(), ctx.Response.Body(), test.code)
			}
		})
	}
}
