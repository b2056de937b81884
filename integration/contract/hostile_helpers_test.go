package contract

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/integration/harness"
)

// hostileDeadline is what a server gives a client for a whole request, or for
// its first byte; hostilePatience is that with room for a loaded machine.
const (
	hostileDeadline = 10 * time.Second
	hostilePatience = hostileDeadline + 8*time.Second
)

// hostileDial opens a bare TCP connection that is closed when the test ends.
func hostileDial(t *testing.T, s *harness.Server) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", s.Address(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// hostileEnd reads a connection until the server ends it, in whatever way. It
// is a defect if that takes longer than the patience.
func hostileEnd(t *testing.T, c net.Conn, patience time.Duration) []byte {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %.200q and no end of the connection for %v", got, patience)
	}
	return got
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
func hostileServes(t *testing.T, s *harness.Server) {
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
func hostileMetric(t *testing.T, s *harness.Server, name, labels string) float64 {
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
