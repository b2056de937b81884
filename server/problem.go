package server

import (
	"errors"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	bw "github.com/breakwater-chat/breakwater"
)

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// handleExpect answers a client that asks before it sends its body (RFC 9110,
// section 10.1.1): one that is over the limit is refused before it comes.
func (s *Server) handleExpect(ctx *fasthttp.RequestCtx) int {
	if ctx.Request.Header.ContentLength() <= maxBody(s.cfg.Limits) {
		return fasthttp.StatusContinue
	}
	s.handleMalformed(ctx, fasthttp.ErrBodyTooLarge)
	return ctx.Response.StatusCode()
}

// Bounds of what is read of a body that is too long.
const (
	restBytes = 1 << 20
	restTime  = 100 * time.Millisecond
)

// handleUnreadable takes in the rest of a body that is too long before it answers:
// to close a connection on bytes that nobody has read resets it, and the answer
// may be lost with it (RFC 9112, section 9.6).
func (s *Server) handleUnreadable(ctx *fasthttp.RequestCtx, err error) {
	if errors.Is(err, fasthttp.ErrBodyTooLarge) && ctx.Conn().SetReadDeadline(time.Now().Add(restTime)) == nil {
		_, _ = io.CopyN(io.Discard, ctx.Conn(), restBytes)
	}
	s.handleMalformed(ctx, err)
}

// handleMalformed answers what fasthttp could not read as a request. The
// connection is closed behind it.
func (s *Server) handleMalformed(ctx *fasthttp.RequestCtx, err error) {
	told := s.malformed(err)
	writeProblem(ctx, told)
	ctx.SetConnectionClose()
	status := ctx.Response.StatusCode()
	s.metrics.request("malformed", "", status, 0)
	// Nothing of the request itself and nothing of err, which quotes it.
	s.deps.Log.Debug("malformed request", "status", status, "peer", addressOf(ctx.RemoteAddr()).String(), "error", told)
}

// malformed is what the client is told of an error of fasthttp's.
func (s *Server) malformed(err error) error {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return bw.Errorf(bw.BodyTooLarge, "a body has at most %d bytes", s.cfg.Limits.MaxBody)
	case errors.As(err, &small):
		return bw.Errorf(bw.HeadersTooLarge, "the request line and the headers have at most %d bytes together", maxHead)
	case errors.As(err, &network) && network.Timeout():
		return bw.Errorf(bw.RequestTimeout, "the request did not arrive in time")
	default:
		return bw.Errorf(bw.BadRequest, "this is not an HTTP request")
	}
}
