package server

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// script is a connection whose client says all at once, leaves, and is not
// waited for: what a fuzzer needs instead of a socket.
type script struct {
	said   *bytes.Reader
	closed chan struct{}

	mu       sync.Mutex // guards the rest
	answer   bytes.Buffer
	deadline time.Time // of reads
	ended    bool
}

func newScript(said []byte) *script {
	return &script{said: bytes.NewReader(said), closed: make(chan struct{})}
}

func (c *script) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
		return 0, net.ErrClosed
	case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
		return 0, os.ErrDeadlineExceeded
	}
	return c.said.Read(p)
}

func (c *script) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return 0, net.ErrClosed
	}
	return c.answer.Write(p)
}

func (c *script) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return net.ErrClosed
	}
	c.ended = true
	close(c.closed)
	return nil
}

func (c *script) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return nil
}

func (c *script) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c *script) SetWriteDeadline(time.Time) error { return nil }
func (c *script) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (c *script) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9} }

// seeds are requests to begin with; TOKEN stands for a good token.
func seeds() (all []string) {
	request := func(first string, headers ...string) string {
		return strings.Join(append([]string{first, "Host: x"}, headers...), "\r\n") + "\r\n\r\n"
	}
	join := "GET /v1/chatrooms/1/join?token=TOKEN HTTP/1.1"
	all = []string{
		request(join, handshake...),
		request(join, handshake...) + "\x81\x80abcd",
		request("GET /healthz HTTP/1.1") + request(join, handshake...),
		request("GET /v1/chatrooms/1/join?user=ann&epoch=1&since=0 HTTP/1.1", append([]string{"Authorization: Bearer TOKEN"}, handshake...)...),
		request("GET /v1/chatrooms/1/join HTTP/1.1", append([]string{"Sec-WebSocket-Protocol: breakwater.v1, bearer.TOKEN"}, handshake...)...),
		request("GET http://x/v1/chatrooms/1/join?token=TOKEN HTTP/1.1", handshake...),
		request("GET /v1/chatrooms/1/join?token=TOKEN HTTP/1.0", handshake...),
		request("POST /v1/chatrooms/1/join?token=TOKEN HTTP/1.1", handshake...),
		request("HEAD /v1/chatrooms/1/join?token=TOKEN HTTP/1.1", handshake...),
		request(join, append([]string{"Content-Length: 3"}, handshake...)...) + "abc",
		request(join, append([]string{"Transfer-Encoding: chunked"}, handshake...)...) + "0\r\n\r\n",
		request(join, append([]string{"Expect: 100-continue"}, handshake...)...),
		request(join, with("Upgrade", "h2c, websocket")...),
		request(join, with("Connection", "keep-alive, Upgrade")...),
		request(join, append([]string{"Connection: keep-alive"}, handshake...)...),
		request(join, append([]string{"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}, handshake...)...),
		request(join, with("Sec-WebSocket-Key", "not base64 but 24 bytes!")...),
		request(join, with("Sec-WebSocket-Version", "7")...),
		strings.Replace(request(join, handshake...), "Host: x\r\n", "", 1),
		strings.ReplaceAll(request(join, handshake...), "\r\n", "\n"),
		request("GET /v1/chatrooms?limit=1&after=0 HTTP/1.1"),
		request("GET /v1/chatrooms/1/messages?before=2 HTTP/1.1", "Authorization: Bearer TOKEN"),
		request("GET /v1/messages/search?q=%22a%20b%22*&cursor=x HTTP/1.1", "Authorization: Bearer TOKEN"),
		request("POST /v1/chatrooms/1/messages HTTP/1.1", "Authorization: Bearer TOKEN", "Content-Length: 21") + `{"id":"1","text":"a"}`,
		request("POST /v1/chatrooms/users HTTP/1.1", "Content-Length: 14") + `{"name":"bob"}`,
	}
	return all
}

// FuzzUpgrade says anything to the server. It answers in HTTP, with an error of
// its own never, with a problem document for every other error, and with a 101
// to a handshake of RFC 6455 only, as another parser reads it.
func FuzzUpgrade(f *testing.F) {
	s := newStand(f, nil)
	for _, seed := range seeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		said = bytes.ReplaceAll(said, []byte("TOKEN"), []byte(s.token))
		s.diary.forget()
		c := newScript(said)
		_ = s.http.ServeConn(c) // its error is that of what was said
		select {
		case <-c.closed:
		case <-time.After(patience):
			t.Fatalf("the connection is still open %v after its client left", patience)
		}
		checkAnswers(t, said, c.answer.Bytes())
		if log := s.diary.String(); strings.Contains(log, "panic") {
			t.Errorf("a handler panicked:\n%s", log)
		}
	})
}

// checkAnswers reads requests and responses side by side.
func checkAnswers(t *testing.T, said, answered []byte) {
	t.Helper()
	requests, responses := bufio.NewReader(bytes.NewReader(said)), bufio.NewReader(bytes.NewReader(answered))
	for {
		if _, err := responses.Peek(1); err != nil {
			return
		}
		request, unread := http.ReadRequest(requests)
		response, err := nextResponse(responses, request)
		if err != nil {
			t.Fatalf("got %q, want HTTP: %v", answered, err)
		}
		switch {
		case response.StatusCode == http.StatusSwitchingProtocols:
			if err := checkSwitch(request, unread, response); err != nil {
				t.Errorf("a 101 to what is no handshake: %v", err)
			}
			return
		case unread != nil, response.Close:
			checkRefusal(t, response)
			return // nothing may follow, or where it begins is anybody's guess
		}
		checkRefusal(t, response)
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			return
		}
	}
}

// nextResponse passes over a 100.
func nextResponse(r *bufio.Reader, request *http.Request) (*http.Response, error) {
	response, err := http.ReadResponse(r, request)
	if err == nil && response.StatusCode == http.StatusContinue {
		return http.ReadResponse(r, request)
	}
	return response, err
}

// checkRefusal holds an error to its problem document.
func checkRefusal(t *testing.T, response *http.Response) {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("status %d: the body ends early: %v", response.StatusCode, err)
	}
	if response.StatusCode >= http.StatusInternalServerError {
		t.Errorf("got status %d, %s, want no error of the server's own", response.StatusCode, body)
	}
	if response.StatusCode < http.StatusBadRequest || len(body) == 0 && response.Request != nil && response.Request.Method == http.MethodHead {
		return
	}
	var told problem
	if err := json.Unmarshal(body, &told); err != nil || told.Status != response.StatusCode || told.Code == "" || told.Title == "" {
		t.Errorf("got status %d, %q, want a problem document of that status", response.StatusCode, body)
	}
}

// checkSwitch holds a request to section 4.2.1 of RFC 6455, and its answer to 4.2.2.
func checkSwitch(request *http.Request, unread error, response *http.Response) error {
	if unread != nil {
		return fmt.Errorf("it cannot even be read: %w", unread)
	}
	has := func(name, token string) bool {
		var lines [][]byte
		for _, line := range request.Header.Values(name) {
			lines = append(lines, []byte(line))
		}
		return hasToken(lines, token)
	}
	key := request.Header.Get("Sec-WebSocket-Key")
	nonce, err := base64.StdEncoding.DecodeString(key)
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	switch accept := base64.StdEncoding.EncodeToString(sum[:]); {
	case request.Method != http.MethodGet || !request.ProtoAtLeast(1, 1):
		return fmt.Errorf("%s by %s", request.Method, request.Proto)
	case !strings.HasSuffix(request.URL.Path, "/join"):
		return fmt.Errorf("the path is %q", request.URL.Path)
	case !has("Upgrade", "websocket") || !has("Connection", "upgrade"):
		return errors.New("it asks for no upgrade")
	case request.Header.Get("Sec-WebSocket-Version") != "13":
		return errors.New("it is of another version")
	case err != nil || len(nonce) != 16 || len(request.Header.Values("Sec-WebSocket-Key")) != 1:
		return fmt.Errorf("the key is %q", request.Header.Values("Sec-WebSocket-Key"))
	case response.Header.Get("Sec-WebSocket-Accept") != accept:
		return fmt.Errorf("the answer to its key is %q, want %q", response.Header.Get("Sec-WebSocket-Accept"), accept)
	}
	return nil
}
