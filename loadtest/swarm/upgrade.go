package swarm

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/breakwater-chat/breakwater/wire"
)

// maxHead bounds an answer to an upgrade, problem document included, in bytes.
const maxHead = 64 << 10

// Request is what a connection asks for when it is made.
type Request struct {
	// Path is the path with the query, escaped.
	Path string
	// Token goes into the Authorization header; it must have no line breaks.
	Token string
}

// appendUpgrade appends the upgrade request. The key is the same for all: it tells caches
// apart from servers (RFC 6455, section 1.3), and the answer to it is not checked.
func (r Request) appendUpgrade(dst []byte, host string) []byte {
	dst = append(append(dst, "GET "...), r.Path...)
	dst = append(append(dst, " HTTP/1.1\r\nHost: "...), host...)
	dst = append(append(dst, "\r\nAuthorization: Bearer "...), r.Token...)
	return append(dst, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"...)
}

var (
	switching = []byte("HTTP/1.1 101 ")
	headEnd   = []byte("\r\n\r\n")
)

// upgraded tells how many bytes the 101 takes: 0 while it is not whole. For another
// answer ok is false.
func upgraded(b []byte) (size int, ok bool) {
	if !bytes.HasPrefix(b, switching[:min(len(b), len(switching))]) {
		return 0, false
	}
	end := bytes.Index(b, headEnd)
	if end < 0 {
		return 0, len(b) < maxHead
	}
	return end + len(headEnd), true
}

// refusal reads an answer that is no 101; whole is false while bytes of it are missing.
func refusal(b []byte) (end End, whole bool) {
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	if err != nil {
		return End{Reason: ReasonNoHTTP}, bytes.Contains(b, headEnd) || len(b) >= maxHead
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxHead))
	if err != nil && len(b) < maxHead {
		return End{}, false
	}
	problem := wire.ParseProblem(body)
	return End{
		Reason:     cmp.Or(string(problem.Kind), "http_"+strconv.Itoa(response.StatusCode)),
		Detail:     problem.Detail,
		Status:     response.StatusCode,
		retryAfter: retryAfter(response.Header.Get("Retry-After")),
	}, true
}

// retryAfter reads whole seconds; 0 if there are none. A day and more is a mistake of somebody's.
func retryAfter(value string) time.Duration {
	seconds, err := strconv.Atoi(value)
	if err != nil || seconds < 0 || seconds > 24*60*60 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
