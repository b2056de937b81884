package contract

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// hostileDeadline is what a server gives a client for a whole request, or for
// its first byte; hostilePatience is that with room for a loaded machine.
const (
	hostileDeadline = 10 * time.Second
	hostilePatience = hostileDeadline + 20*time.Second
)

// hostileAll lets all clients talk at once, so that those who wait for a
// deadline wait for it together, and returns what each got.
func hostileAll[C, R any](clients []C, talk func(C) R) []R {
	results := make([]R, len(clients))
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() { results[i] = talk(c) })
	}
	wg.Wait()
	return results
}

// hostileEnd is how a connection ended.
type hostileEnd struct {
	// got is all that the server said.
	got []byte
	// took is the time from the dial to the end.
	took time.Duration
	// err is not nil if it did not come to an end.
	err error
}

// hostileTalk opens a bare TCP connection, lets say write to it, and reads
// until the server ends the connection, in whatever way.
func hostileTalk(s *stand.Server, say func(net.Conn)) hostileEnd {
	began := time.Now()
	c, err := net.DialTimeout("tcp", s.Address(), patience)
	if err != nil {
		return hostileEnd{err: err}
	}
	defer c.Close()
	if err := c.SetDeadline(began.Add(hostilePatience)); err != nil {
		return hostileEnd{err: err}
	}
	var saying sync.WaitGroup
	saying.Go(func() { say(c) })
	got, err := io.ReadAll(c)
	end := hostileEnd{got: got, took: time.Since(began)}
	_ = c.Close() // whoever still talks is cut off
	saying.Wait()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		end.err = fmt.Errorf("got %.200q and no end of the connection for %v", got, hostilePatience)
	}
	return end
}

// hostileSend says one thing; it may be refused before it is all sent.
func hostileSend(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, text) }
}

// judge holds an end to one answer: a problem document with a status and code,
// a success if there is no code, or no answer at all if the status is 0.
func (e hostileEnd) judge(t *testing.T, status int, code string) {
	t.Helper()
	if e.err != nil {
		t.Fatal(e.err)
	}
	answers := hostileAnswers(t, t.Name(), e.got)
	switch {
	case status == 0 && len(answers) == 0:
	case status == 0 || len(answers) != 1:
		t.Errorf("got %d answers, want one with %d, or none if that is 0: %.400q", len(answers), status, e.got)
	case code == "":
		answers[0].ok(status, nil)
	default:
		answers[0].refused(status, code)
	}
}

// hostileAnswers parses the responses that a server gave on one connection.
func hostileAnswers(t *testing.T, what string, got []byte) []answer {
	t.Helper()
	var all []answer
	for r := bufio.NewReader(bytes.NewReader(got)); ; {
		if _, err := r.Peek(1); err != nil {
			return all
		}
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("%s: got %.400q, which is no response: %v", what, got, err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close() // it is memory
		if err != nil {
			t.Fatalf("%s: got a response that is cut off: %v: %.400q", what, err, got)
		}
		all = append(all, answer{t, what, response.StatusCode, response.Header, body})
	}
}

// hostileServes asks a server whether it still serves.
func hostileServes(t *testing.T, s *stand.Server) {
	t.Helper()
	request{base: s.URL, method: "GET", path: "/readyz"}.do(t).ok(http.StatusOK, nil)
}

// hostileUntil waits until a condition holds.
func hostileUntil(t *testing.T, what string, patience time.Duration, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("%s: not so within %v", what, patience)
		}
	}
}

// hostileMetric reads the sum of a metric's samples; labels, as the text format
// writes them, choose among them.
func hostileMetric(t *testing.T, s *stand.Server, name, labels string) float64 {
	t.Helper()
	text := request{base: s.URL, method: "GET", path: "/metrics"}.do(t).ok(http.StatusOK, nil).body
	sum := 0.0
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), name)
		if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' || !strings.Contains(rest, labels) {
			continue
		}
		value, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			t.Fatalf("the metric %q: %v", line, err)
		}
		sum += value
	}
	return sum
}
