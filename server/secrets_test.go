package server

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

// failing is a directory whose store is down.
type failing struct{ Directory }

func (failing) EnsureUser(context.Context, bw.Name) (bw.User, error) {
	return bw.User{}, bw.Unavailablef(errors.New("connection refused"), "users cannot be looked up now")
}

// TestATokenNeverReachesALog sends tokens in every place and in every kind of
// request, good and broken, to a server that logs all that it can.
func TestATokenNeverReachesALog(t *testing.T) {
	// A word that stands nowhere else, as a token of nobody and as part of one.
	const word = "SECRETSECRETSECRET"
	upgrade := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	quick := func(c *Config, _ *Deps) { c.RequestTimeout = 200 * time.Millisecond }
	whole := newStand(t, quick)
	broken := newStand(t, func(c *Config, d *Deps) {
		quick(c, d)
		d.Directory = failing{d.Directory}
	})
	wholeAddress, brokenAddress := whole.listen(t), broken.listen(t)
	for _, test := range []struct{ name, said string }{
		{"the header", "GET /v1/messages/search?q=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\n"},
		{"the header without its scheme", "GET /v1/messages/search?q=a HTTP/1.1\r\nHost: x\r\nAuthorization: TOKEN\r\n"},
		{"the query", "GET /v1/messages/search?q=a&token=TOKEN HTTP/1.1\r\nHost: x\r\n"},
		{"a subprotocol", "GET /v1/chatrooms/1/join HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Protocol: breakwater.v1, bearer.TOKEN\r\n" + upgrade},
		{"a join with the query", "GET /v1/chatrooms/1/join?token=TOKEN HTTP/1.1\r\nHost: x\r\n" + upgrade},
		{"a join that is no WebSocket", "GET /v1/chatrooms/1/join?token=TOKEN HTTP/1.1\r\nHost: x\r\n"},
		{"a join with a host that is none", "GET /v1/chatrooms/1/join?token=TOKEN HTTP/1.1\r\nHost:\r\n" + upgrade},
		{"a path that is none", "GET /nowhere?token=TOKEN HTTP/1.1\r\nHost: x\r\n"},
		{"a method that is none", "BREW /v1/chatrooms?token=TOKEN HTTP/1.1\r\nHost: x\r\n"},
		{"a broken escape", "GET /v1/messages/search?q=%&token=TOKEN HTTP/1.1\r\nHost: x\r\n"},
		{"a body that is no JSON", "POST /v1/chatrooms HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\nContent-Length: 5\r\n\r\nhello"},
		{"a body with the token", "POST /v1/chatrooms HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\nContent-Length: 10\r\n\r\n{\"token\":1"},
		{"no version", "GET /v1/messages/search?token=TOKEN\r\nHost: x\r\n"},
		{"a wrong version", "GET /v1/messages/search?token=TOKEN HTTP/9.9\r\nHost: x\r\n"},
		{"no host", "GET /v1/messages/search HTTP/1.1\r\nAuthorization: Bearer TOKEN\r\n"},
		{"a header without a colon", "GET /v1/chatrooms HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\nnonsense\r\n"},
		{"a token for a header", "GET /v1/chatrooms HTTP/1.1\r\nHost: x\r\nbearer TOKEN\r\n"},
		{"a wrong length", "POST /v1/chatrooms HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\nContent-Length: many\r\n"},
		{"headers over the limit", "GET /v1/chatrooms?token=TOKEN HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", maxHead) + "\r\n"},
		{"a body over the limit", "POST /v1/chatrooms?token=TOKEN HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n"},
		{"a body that does not come", "POST /v1/chatrooms?token=TOKEN HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"},
		{"a token for a request", "TOKEN\r\n"},
		{"a password", post("/v1/chatrooms/users/login", `{"name":"ann","password":"TOKEN"}`)},
		{"a password in a field that is not known", post("/v1/chatrooms/users", `{"name":"ann","pasword":"TOKEN"}`)},
		{"a text", post("/v1/chatrooms/1/messages?token=TOKEN", `{"id":"1","text":"TOKEN"}`)},
	} {
		said := test.said
		if !strings.Contains(said, "Upgrade") {
			said = strings.Replace(said, "\r\n", "\r\nConnection: close\r\n", 1)
		}
		t.Run(test.name, func(t *testing.T) {
			whole.keepsSecret(t, wholeAddress, said, word)
			broken.keepsSecret(t, brokenAddress, said, word)
		})
	}
}

// post is a request with a body; LENGTH stands for the body's.
func post(path, body string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: LENGTH\r\n\r\n" + body
}

// keepsSecret sends a request with the user's own token, with a word, and with
// that as a part of a token, and looks for them in the log.
func (s *stand) keepsSecret(t *testing.T, address, said, word string) {
	t.Helper()
	before := len(s.diary.String())
	for _, token := range []string{s.token, word, "e30." + word + ".e30"} {
		known := len(s.diary.String())
		text := strings.ReplaceAll(said, "TOKEN", token)
		_, body, _ := strings.Cut(text, "\r\n\r\n")
		c := dial(t, address)
		_, _ = c.Write([]byte(strings.Replace(text, "LENGTH", strconv.Itoa(len(body)), 1) + "\r\n"))
		_, _ = c.Read(make([]byte, 1))
		_ = c.Close()
		until(t, "the request is logged", func() bool { return len(s.diary.String()) > known })
	}
	log := s.diary.String()[before:]
	parts := strings.Split(s.token, ".")
	for _, secret := range []string{word, parts[1], parts[2]} {
		if i := strings.Index(log, secret); i >= 0 {
			t.Errorf("the log tells %q: …%s…", secret, log[max(0, i-200):min(len(log), i+len(secret)+20)])
		}
	}
}
