package contract

import (
	"strings"
	"testing"
)

// Beginnings of requests that are in order.
const (
	hostileGet  = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	hostilePost = "POST /v1/chatrooms/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
)

// hostileRow is what a client sends and the one answer that it gets.
type hostileRow struct {
	name, sent string
	status     int
	code       string // empty: no problem document
}

// TestHostileHTTP sends what is no HTTP, or hardly. Each gets a clear answer,
// and the connection is closed.
func TestHostileHTTP(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("a", 100_000)
	chunked := hostilePost + "Transfer-Encoding: chunked\r\n\r\n"
	rows := []hostileRow{
		{"garbage", "\x00\xff\xfe garbage \x01\x02\r\n\r\n", 400, "bad_request"},
		{"a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00\x0a\x13\x01", 126), 400, "bad_request"},
		{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", 400, "bad_request"},

		{"a method alone", "GET\r\n\r\n", 400, "bad_request"},
		{"no target", "GET  HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"},
		{"a space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"},
		{"HTTP/0.9", "GET /healthz\r\n\r\n", 400, "bad_request"},
		{"another protocol", "GET /healthz FTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"},
		{"a version of letters", "GET /healthz HTTP/x.y\r\nHost: x\r\n\r\n", 400, "bad_request"},
		{"a version of the future", "GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n", 400, "bad_request"},
		{"a method that is no token", "G@T /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"},
		{"an unknown method", strings.Replace(hostileGet, "GET", "BREW", 1) + "\r\n", 405, "method_not_allowed"},
		{"a method in small letters", strings.Replace(hostileGet, "GET", "get", 1) + "\r\n", 405, "method_not_allowed"},
		{"a tunnel", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\nConnection: close\r\n\r\n", 404, "not_found"},
		{"a path out of the root", "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, "not_found"},
		{"a huge request line", "GET /" + huge + " HTTP/1.1\r\nHost: x\r\n\r\n", 431, "headers_too_large"},
		{"an endless request line", "GET /" + strings.Repeat(huge, 10), 431, "headers_too_large"},

		{"no host", "GET /healthz HTTP/1.1\r\n\r\n", 400, "bad_request"},
		{"two hosts", hostileGet + "Host: y\r\n\r\n", 400, "bad_request"},
		{"a header without a colon", hostileGet + "colon\r\n\r\n", 400, "bad_request"},
		{"a header without a name", hostileGet + ": x\r\n\r\n", 400, "bad_request"},
		{"a space before the colon", hostileGet + "X : x\r\n\r\n", 400, "bad_request"},
		{"NUL in a header's name", hostileGet + "X\x00: x\r\n\r\n", 400, "bad_request"},
		{"NUL in a header's value", hostileGet + "X: a\x00b\r\n\r\n", 400, "bad_request"},
		{"CR in a header's value", hostileGet + "X: a\rb\r\n\r\n", 400, "bad_request"},
		{"a header folded before any", "GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n", 400, "bad_request"},
		{"a header folded (RFC 9112, 5.2: may be read as spaces)", hostileGet + "X: a\r\n b\r\n\r\n", 200, ""},
		{"a huge header", hostileGet + "X: " + huge + "\r\n\r\n", 431, "headers_too_large"},
		{"ten thousand headers", hostileGet + strings.Repeat("X: a\r\n", 10_000) + "\r\n", 431, "headers_too_large"},

		{"a length of letters", hostilePost + "Content-Length: abc\r\n\r\n{}", 400, "bad_request"},
		{"an empty length", hostilePost + "Content-Length: \r\n\r\n{}", 400, "bad_request"},
		{"a negative length", hostilePost + "Content-Length: -1\r\n\r\n{}", 400, "bad_request"},
		{"a length with a sign", hostilePost + "Content-Length: +2\r\n\r\n{}", 400, "bad_request"},
		{"a length beyond integers", hostilePost + "Content-Length: 99999999999999999999999\r\n\r\n{}", 400, "bad_request"},
		{"two lengths that differ", hostilePost + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, "bad_request"},
		{"two lengths in one header", hostilePost + "Content-Length: 2, 3\r\n\r\n{}", 400, "bad_request"},
		{"an unknown coding", hostilePost + "Transfer-Encoding: gzip\r\n\r\n{}", 400, "bad_request"},
		{"a coding that resembles chunked", hostilePost + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400, "bad_request"},
		{"chunked twice", hostilePost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad_request"},
		{"a length and chunks (RFC 9112, 6.3: the chunks count)", hostilePost + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 400, "bad_json"},
		{"a chunk's size of letters", chunked + "zz\r\n{}\r\n0\r\n\r\n", 400, "bad_request"},
		{"a chunk's size below zero", chunked + "-2\r\n{}\r\n0\r\n\r\n", 400, "bad_request"},
		{"a chunk's size beyond integers", chunked + "2\r\n{}\r\n7ffffffffffffffe\r\n{}\r\n0\r\n\r\n", 400, "bad_request"},
		{"an endless chunk's size", chunked + strings.Repeat("0", 100_000), 400, "bad_request"},
		{"a chunk longer than its size", chunked + "2\r\n{}{}\r\n0\r\n\r\n", 400, "bad_request"},
		{"twenty thousand trailers", chunked + "2\r\n{}\r\n0\r\n" + strings.Repeat("X: a\r\n", 20_000) + "\r\n", 431, "headers_too_large"},
	}
	ends := hostileAll(rows, func(r hostileRow) hostileEnd { return hostileTalk(suite.Server, hostileSend(r.sent)) })
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			ends[i].judge(t, row.status, row.code)
		})
	}
	hostileServes(t, suite.Server)
}

// TestHostilePipeline puts garbage behind a request: what came before it is answered.
func TestHostilePipeline(t *testing.T) {
	t.Parallel()
	const whole = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	end := hostileTalk(suite.Server, hostileSend(whole+whole+"garbage\r\n\r\n"+whole))
	if end.err != nil {
		t.Fatal(end.err)
	}
	answers := hostileAnswers(t, "a pipeline", end.got)
	if len(answers) != 3 {
		t.Fatalf("got %d answers, want two and a refusal", len(answers))
	}
	answers[0].ok(200, nil)
	answers[1].ok(200, nil)
	answers[2].refused(400, "bad_request")
}
