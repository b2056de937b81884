package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestMalformedRequests sends what fasthttp does not read as a request.
func TestMalformedRequests(t *testing.T) {
	s := newStand(t, func(c *Config, _ *Deps) { c.RequestTimeout = 300 * time.Millisecond })
	address := s.listen(t)
	post := "POST /v1/chatrooms/users HTTP/1.1\r\nHost: x\r\n"
	for _, test := range []struct {
		name, said string
		status     int
		code       string
	}{
		{"words", "hello there\r\n\r\n", 400, "bad_request"},
		{"a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request"},
		{"no version", "GET /healthz\r\nHost: x\r\n\r\n", 400, "bad_request"},
		{"a version of the future", "GET /healthz HTTP/3.7\r\nHost: x\r\n\r\n", 400, "bad_request"},
		{"no host", "GET /healthz HTTP/1.1\r\n\r\n", 400, "bad_request"},
		{"a header without a colon", "GET /healthz HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400, "bad_request"},
		{"a length that is no number", post + "Content-Length: many\r\n\r\n", 400, "bad_request"},
		{"a negative length", post + "Content-Length: -1\r\n\r\n", 400, "bad_request"},
		{"a chunk that is none", post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad_request"},
		{"a body over the limit", post + "Content-Length: 65537\r\n\r\n", 413, "body_too_large"},
		{"chunks over the limit", post + "Transfer-Encoding: chunked\r\n\r\n10001\r\n" + strings.Repeat("x", 0x10001) + "\r\n0\r\n\r\n", 413, "body_too_large"},
		{"headers over the limit", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", maxHead) + "\r\n\r\n", 431, "headers_too_large"},
		{"headers that do not end", "GET /healthz HTTP/1.1\r\nHost: x\r\n", 408, "request_timeout"},
		{"a body that does not come", post + "Content-Length: 10\r\n\r\n{", 408, "request_timeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			response, body := statusOf(t, talk(t, address, test.said))
			var told problem
			if err := json.Unmarshal([]byte(body), &told); err != nil {
				t.Fatalf("got status %d, %q, want a problem document: %v", response.StatusCode, body, err)
			}
			if response.StatusCode != test.status || told.Status != test.status || told.Code != test.code {
				t.Errorf("got status %d with the document %+v, want %d and code %s", response.StatusCode, told, test.status, test.code)
			}
			if got := response.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type: got %q, want application/problem+json", got)
			}
			if !response.Close {
				t.Error("the connection stays, though nobody knows where the next request begins")
			}
		})
	}
	_, metrics := statusOf(t, talk(t, address, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
	for _, status := range []int{http.StatusBadRequest, http.StatusRequestTimeout} {
		if line := fmt.Sprintf(`breakwater_http_requests_total{method="other",route="malformed",status="%d"}`, status); !strings.Contains(metrics, line) {
			t.Errorf("the metrics do not have %s", line)
		}
	}
}
