package client

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// handshakeError is a server's refusal of an upgrade. It wraps the problem
// document as a *breakwater.Error.
type handshakeError struct {
	status     int
	retryAfter time.Duration
	problem    *bw.Error
}

func (e *handshakeError) Error() string {
	return fmt.Sprintf("the server answered the join with %d: %v", e.status, e.problem)
}

func (e *handshakeError) Unwrap() error { return e.problem }

// word is the code of the refusal.
func (e *handshakeError) word() string {
	return cmp.Or(string(e.problem.Kind), "http_"+strconv.Itoa(e.status))
}

// handshake gets a token and opens the WebSocket by the join of the first room.
// src gives what came behind the answer, then what the connection gives.
func (s *session) handshake() (conn net.Conn, src io.Reader, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, handshakeTimeout)
	defer cancel()
	token, err := s.freshToken(ctx)
	if err != nil {
		return nil, nil, err
	}
	refusal := &handshakeError{}
	dialer := ws.Dialer{
		NetDial:   s.c.cfg.Dial,
		TLSConfig: s.c.cfg.TLS,
		Header:    ws.HandshakeHeaderHTTP{"Authorization": {"Bearer " + token}},
		OnStatusError: func(status int, _ []byte, answer io.Reader) {
			refusal.read(status, answer)
		},
	}
	conn, buffered, _, err := dialer.Dial(ctx, s.url())
	if refusal.status != 0 {
		return nil, nil, refusal
	}
	if err != nil {
		return nil, nil, fmt.Errorf("connecting: %w", err)
	}
	if buffered != nil {
		return conn, io.MultiReader(strings.NewReader(drained(buffered)), conn), nil
	}
	return conn, conn, nil
}

// drained takes what is buffered and gives the buffer back.
func drained(r *bufio.Reader) string {
	ahead, _ := r.Peek(r.Buffered()) // as much as is there cannot fail
	text := string(ahead)
	ws.PutReader(r)
	return text
}

// freshToken asks for the token of this session and refuses the one that the
// server has just refused.
func (s *session) freshToken(ctx context.Context) (string, error) {
	c := s.c
	c.mu.Lock()
	rejected := c.link.rejected
	c.mu.Unlock()
	token, err := c.cfg.Token(ctx, rejected)
	if err != nil {
		if bw.KindOf(err) == bw.Unauthorized {
			return "", &handshakeError{status: http.StatusUnauthorized, problem: &bw.Error{Kind: bw.Unauthorized, Detail: "there is no token", Err: err}}
		}
		return "", fmt.Errorf("getting a token: %w", err)
	}
	if token == rejected || strings.ContainsAny(token, "\r\n") {
		return "", &handshakeError{status: http.StatusUnauthorized, problem: bw.Errorf(bw.Unauthorized, "the server refused the token, and there is no other one")}
	}
	c.mu.Lock()
	s.token = token
	c.mu.Unlock()
	return token, nil
}

func (s *session) url() string {
	target := s.c.target
	query := url.Values{"user": {string(s.c.cfg.User)}}
	if s.since != nil {
		query.Set("epoch", strconv.FormatInt(int64(s.since.Epoch), 10))
		query.Set("since", strconv.FormatInt(int64(s.since.Seq), 10))
	}
	target.Path = strings.TrimRight(target.Path, "/") + "/v1/chatrooms/" + strconv.FormatInt(int64(s.room), 10) + "/join"
	target.RawQuery = query.Encode()
	return target.String()
}

// read takes a refusal apart; what is no problem document has no kind.
func (e *handshakeError) read(status int, answer io.Reader) {
	e.status, e.problem = status, &bw.Error{}
	response, err := http.ReadResponse(bufio.NewReader(answer), nil)
	if err != nil {
		return
	}
	defer response.Body.Close()
	e.problem, e.retryAfter = problemOf(response)
}

// problemOf reads a refusal over HTTP.
func problemOf(response *http.Response) (*bw.Error, time.Duration) {
	const most = 64 << 10
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return &bw.Error{Err: err}, retryAfter(response)
	}
	problem := wire.ParseProblem(body)
	problem.RetryAfter = retryAfter(response)
	return problem, problem.RetryAfter
}

// retryAfter reads the header of whole seconds; 0 if there is none. A date (RFC
// 9110, section 10.2.3), which proxies may send, counts from now.
func retryAfter(response *http.Response) time.Duration {
	const longest = time.Hour // a mistake of somebody's, above that
	value := response.Header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return min(max(time.Duration(seconds)*time.Second, 0), longest)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), longest)
	}
	return 0
}
