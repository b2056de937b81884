package client

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// users is the part of a server that gives tokens of a lifetime.
type users struct {
	mu    sync.Mutex
	life  time.Duration
	calls []string
	fail  map[string]bw.Kind // by path
}

func (u *users) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	path := r.URL.Path[len("/v1/chatrooms/users"):]
	u.calls = append(u.calls, path)
	if kind := u.fail[path]; kind != "" {
		code, _, body := wire.ProblemOf(bw.Errorf(kind, "no"))
		w.WriteHeader(code)
		_, _ = w.Write(body)
		return
	}
	token := wire.UserToken{ID: 1, Name: "Ann", Token: string(rune('a' + len(u.calls) - 1)), ExpiresAt: bw.MillisOf(time.Now().Add(u.life))}
	_ = json.NewEncoder(w).Encode(token)
}

func TestAnAccountHasATokenThatHolds(t *testing.T) {
	for name, c := range map[string]struct {
		life     time.Duration
		fail     map[string]bw.Kind
		rejected string
		want     string // the token, "" for an error
		kind     bw.Kind
		calls    []string
	}{
		"one that holds":            {life: time.Hour, want: "a", calls: []string{""}},
		"one that is rejected":      {life: time.Hour, rejected: "a", want: "b", calls: []string{"", "/token"}},
		"one that is about to go":   {life: -time.Second, want: "b", calls: []string{"", "/token"}},
		"one that has gone":         {life: -time.Hour, fail: map[string]bw.Kind{"/token": bw.Unauthorized}, want: "c", calls: []string{"", "/token", "/login"}},
		"a password that was wrong": {life: time.Hour, rejected: "a", fail: map[string]bw.Kind{"/token": bw.Unauthorized, "/login": bw.BadCredentials}, kind: bw.Unauthorized, calls: []string{"", "/token", "/login"}},
		"a server that is away":     {life: -time.Hour, fail: map[string]bw.Kind{"/token": bw.Unavailable}, kind: bw.Unavailable, calls: []string{"", "/token"}},
	} {
		t.Run(name, func(t *testing.T) {
			u := &users{life: c.life, fail: c.fail}
			server := httptest.NewServer(u)
			defer server.Close()
			defer http.DefaultClient.CloseIdleConnections()
			a, err := SignUp(t.Context(), server.URL, "Ann", "a good password")
			if err != nil {
				t.Fatal(err)
			}
			got, err := a.Token(t.Context(), c.rejected)
			if c.want != "" && (got != c.want || err != nil) || c.want == "" && bw.KindOf(err) != c.kind {
				t.Errorf("got %q (%v), want %q or an error of kind %q", got, err, c.want, c.kind)
			}
			if !slices.Equal(u.calls, c.calls) {
				t.Errorf("got the calls %q, want %q", u.calls, c.calls)
			}
		})
	}
}

func TestASignUpThatIsRefusedSaysWhy(t *testing.T) {
	server := httptest.NewServer(&users{fail: map[string]bw.Kind{"": bw.NameTaken, "/login": bw.BadCredentials}})
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	if _, err := SignUp(t.Context(), server.URL, "Ann", ""); bw.KindOf(err) != bw.NameTaken {
		t.Errorf("got %v, want %s", err, bw.NameTaken)
	}
	if _, err := Login(t.Context(), server.URL, "Ann", "x"); bw.KindOf(err) != bw.BadCredentials {
		t.Errorf("got %v, want %s", err, bw.BadCredentials)
	}
}
