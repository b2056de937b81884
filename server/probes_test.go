package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestReadyNamesWhatIsDown(t *testing.T) {
	up := func(context.Context) error { return nil }
	down := func(context.Context) error { return errors.New("dial tcp 10.0.0.5:3306: connection refused") }
	for _, test := range []struct {
		name   string
		needed []Dependency
		status int
		named  []string
	}{
		{"nothing is needed", nil, 200, nil},
		{"all are up", []Dependency{{"store", up}, {"broker", up}}, 200, nil},
		{"one is down", []Dependency{{"store", up}, {"broker", down}}, 503, []string{"broker"}},
		{"two are down", []Dependency{{"store", down}, {"message log", up}, {"broker", down}}, 503, []string{"store", "broker"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStand(t, func(_ *Config, d *Deps) { d.Needed = test.needed })
			ctx := s.ask(t, "GET /readyz HTTP/1.1", "")
			if got := ctx.Response.StatusCode(); got != test.status {
				t.Errorf("readyz: got status %d, want %d", got, test.status)
			}
			if got := s.ask(t, "GET /healthz HTTP/1.1", "").Response.StatusCode(); got != http.StatusOK {
				t.Errorf("healthz: got status %d, want 200 whatever is down", got)
			}
			if test.status == http.StatusOK {
				return
			}
			var told problem
			if err := json.Unmarshal(ctx.Response.Body(), &told); err != nil || told.Code != "unavailable" || told.Status != test.status {
				t.Errorf("got %s, want the code unavailable", ctx.Response.Body())
			}
			if want := "down: " + strings.Join(test.named, ", "); told.Detail != want {
				t.Errorf("got the detail %q, want %q", told.Detail, want)
			}
			if len(ctx.Response.Header.Peek("Retry-After")) == 0 {
				t.Error("there is no Retry-After")
			}
			for _, name := range test.named {
				if log := s.diary.String(); !strings.Contains(log, `"dependency":"`+name+`"`) || !strings.Contains(log, "connection refused") {
					t.Errorf("the log does not tell why %s is down:\n%s", name, log)
				}
			}
		})
	}
}

func TestReadyOfAServerThatDrains(t *testing.T) {
	s := newStand(t, nil)
	s.deps.Hub.Drain(t.Context(), 0)
	ctx := s.ask(t, "GET /readyz HTTP/1.1", "")
	var told problem
	if err := json.Unmarshal(ctx.Response.Body(), &told); err != nil || told.Status != http.StatusServiceUnavailable || told.Code != "draining" {
		t.Errorf("got status %d, %s, want 503 draining", ctx.Response.StatusCode(), ctx.Response.Body())
	}
}
