package server

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// workTimeout bounds what a request may make the server wait for.
const workTimeout = 10 * time.Second

// handle is what every request goes through: an id, the route, a problem
// document for what went wrong, a log line and its metrics. Query strings never
// reach the log, since they can hold tokens.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	s.readers.reading.done(ctx.Conn())
	began := time.Now()
	work, cancel := context.WithTimeout(context.Background(), workTimeout)
	defer cancel()
	r := &request{RequestCtx: ctx, ctx: work, id: requestID(ctx), turn: s.door.take(ctx.Conn())}
	defer r.done()
	pattern, err := s.guard(r)
	s.answered(r, pattern, began, err)
}

// done gives back a turn that came to nothing.
func (r *request) done() {
	if r.turn != nil {
		r.turn(false)
	}
}

// answered completes the answer, which is err's problem document if that is not nil, and
// notes it.
func (s *Server) answered(r *request, pattern string, began time.Time, err error) {
	if err != nil {
		s.refuse(r, err)
	}
	r.Response.Header.Set("X-Request-Id", r.id)
	r.Response.Header.Set("X-Content-Type-Options", "nosniff")
	status := r.Response.StatusCode()
	if r.Hijacked() {
		status = fasthttp.StatusSwitchingProtocols
	}
	took := time.Since(began)
	s.metrics.request(pattern, string(r.Method()), status, took)
	s.log(r, pattern, status, took, err)
}

// guard keeps a defect in a handler from taking more than its own request down.
func (s *Server) guard(r *request) (pattern string, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.deps.Log.Error("a handler panicked", "request", r.id, "panic", p, "stack", string(debug.Stack()))
			pattern, err = "other", bw.Errorf(bw.Internal, "panic")
		}
	}()
	return s.dispatch(r)
}

// refuse answers with an error's problem document. Headers that the handler has
// set, such as Allow, stay.
func (s *Server) refuse(r *request, err error) {
	r.Response.ResetBody()
	writeProblem(r.RequestCtx, err)
}

func (s *Server) log(r *request, pattern string, status int, took time.Duration, err error) {
	// A refusal is no news to the operator: ten thousand of them in a storm
	// would be the next storm. The metrics count them.
	level := slog.LevelDebug
	if status == fasthttp.StatusInternalServerError {
		level = slog.LevelError
	}
	attrs := []any{"request", r.id, "method", string(r.Method()), "route", pattern, "status", status, "ms", took.Milliseconds(), "client", s.clientAddress(r).String()}
	if err != nil {
		attrs = append(attrs, "error", err)
	}
	s.deps.Log.Log(r.ctx, level, "request", attrs...)
}

// requestID takes the client's X-Request-Id if it is a plain word, or makes one.
func requestID(ctx *fasthttp.RequestCtx) string {
	const limit = 64
	given := string(ctx.Request.Header.Peek("X-Request-Id"))
	plain := func(r rune) bool {
		return r == '-' || r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if given != "" && len(given) <= limit && strings.IndexFunc(given, func(r rune) bool { return !plain(r) }) < 0 {
		return given
	}
	return rand.Text()
}

// clientAddress is the peer's, or what the trusted proxies say: the right-most
// address of X-Forwarded-For that is not one of theirs.
func (s *Server) clientAddress(r *request) netip.Addr {
	peer := addressOf(r.RemoteAddr())
	if !s.trusts(peer) {
		return peer
	}
	var all []string
	for _, line := range r.Request.Header.PeekAll("X-Forwarded-For") {
		all = append(all, strings.Split(string(line), ",")...)
	}
	for i := len(all) - 1; i >= 0; i-- {
		address, ok := forwardedAddress(strings.TrimSpace(all[i]))
		if !ok {
			break // what a trusted proxy did not write cannot be followed
		}
		peer = address
		if !s.trusts(peer) {
			break
		}
	}
	return peer
}

// forwardedAddress reads an address as proxies write it: some add the port, some
// put an IPv6 address between brackets.
func forwardedAddress(text string) (netip.Addr, bool) {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap(), true
	}
	if bare, ok := strings.CutPrefix(text, "["); ok {
		text, _ = strings.CutSuffix(bare, "]")
	}
	address, err := netip.ParseAddr(text)
	return address.Unmap(), err == nil
}

// meteredAs is what an allowance a client address is counted under: of IPv6 the
// network of 64 bits, for whoever has one address of it has all.
func meteredAs(a netip.Addr) string {
	if a.Is4() {
		return a.String()
	}
	network, _ := a.WithZone("").Prefix(64) // fails for IPv4 and zones only
	return network.String()
}

func (s *Server) trusts(a netip.Addr) bool {
	for _, p := range s.cfg.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func addressOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.IPv6Unspecified()
}

// bearerToken finds the token of a request: in the Authorization header, the
// query, or, for browsers, which can set neither, the WebSocket subprotocols.
func bearerToken(ctx *fasthttp.RequestCtx) string {
	if scheme, token, ok := strings.Cut(string(ctx.Request.Header.Peek("Authorization")), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	if token := ctx.QueryArgs().Peek("token"); len(token) > 0 {
		return string(token)
	}
	for _, line := range ctx.Request.Header.PeekAll("Sec-WebSocket-Protocol") {
		for protocol := range strings.SplitSeq(string(line), ",") {
			if token, ok := strings.CutPrefix(strings.TrimSpace(protocol), "bearer."); ok {
				return token
			}
		}
	}
	return ""
}

// writeProblem writes an error's problem document (RFC 9457).
func writeProblem(ctx *fasthttp.RequestCtx, err error) {
	status, retryAfter, body := wire.ProblemOf(err)
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/problem+json")
	ctx.Response.Header.Set("Cache-Control", "no-store")
	if retryAfter > 0 {
		ctx.Response.Header.Set("Retry-After", seconds(retryAfter))
	}
	if status == fasthttp.StatusUnauthorized {
		ctx.Response.Header.Set("WWW-Authenticate", "Bearer")
	}
	ctx.SetBody(body)
}
