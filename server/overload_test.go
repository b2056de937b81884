package server

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// A join too many is refused before its token is looked at, with a status for which
// no proxy asks another server; who comes back is let in before who is new.
func TestJoinsOverTheLimitAreRefused(t *testing.T) {
	s := newStand(t, nil)
	const head = "GET /v1/chatrooms/1/join?user=ann"
	rest := " HTTP/1.1\nAuthorization: Bearer " + s.token + "\n" + strings.Join(handshake, "\n")
	wantRefused := func(what, query string) {
		t.Helper()
		ctx := s.ask(t, head+query+" HTTP/1.1\nAuthorization: Bearer nonsense", "")
		var told problem
		if err := json.Unmarshal(ctx.Response.Body(), &told); err != nil || ctx.Response.StatusCode() != http.StatusTooManyRequests || told.Code != "overloaded" {
			t.Errorf("%s: got status %d, %s; want 429 overloaded", what, ctx.Response.StatusCode(), ctx.Response.Body())
		}
		if after, err := strconv.Atoi(string(ctx.Response.Header.Peek("Retry-After"))); err != nil || after < 1 {
			t.Errorf("%s: got Retry-After %q, want seconds", what, ctx.Response.Header.Peek("Retry-After"))
		}
	}
	if len(s.fillJoins(false)) == 0 {
		t.Fatal("nobody may join")
	}
	wantRefused("a new one", "")
	if ctx := s.ask(t, head+"&epoch=1&since=0"+rest, ""); !ctx.Hijacked() {
		t.Errorf("one who comes back: got status %d, %s; want the connection taken over", ctx.Response.StatusCode(), ctx.Response.Body())
	}
	leave := s.fillJoins(true)
	if len(leave) == 0 {
		t.Fatal("no place was kept for who comes back")
	}
	wantRefused("one who comes back too late", "&epoch=1&since=0")
	leave[0](true)
	if ctx := s.ask(t, head+"&epoch=1&since=0"+rest, ""); !ctx.Hijacked() {
		t.Errorf("when a place is free: got status %d, %s", ctx.Response.StatusCode(), ctx.Response.Body())
	}
}

// What was found to be wrong with a join holds no place.
func TestWrongJoinsLeaveTheirPlaces(t *testing.T) {
	s := newStand(t, nil)
	for range 5000 {
		if ctx := s.ask(t, "GET /v1/chatrooms/1/join HTTP/1.1\nAuthorization: Bearer nonsense", ""); ctx.Response.StatusCode() != http.StatusUnauthorized {
			t.Fatalf("got status %d, want 401", ctx.Response.StatusCode())
		}
	}
}
