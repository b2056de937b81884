package server

import (
	"errors"
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

// handleMalformed answers what fasthttp could not read as a request. The
// connection is closed behind it.
func (s *Server) handleMalformed(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		writeProblem(ctx, bw.Errorf(bw.BodyTooLarge, "a body has at most %d bytes", s.cfg.Limits.MaxBody))
	case errors.As(err, &small):
		writeProblem(ctx, bw.Errorf(bw.HeadersTooLarge, "the request line and the headers have at most %d bytes together", maxHead))
	case errors.As(err, &network) && network.Timeout():
		writeProblem(ctx, bw.Errorf(bw.RequestTimeout, "the request did not arrive in time"))
	default:
		writeProblem(ctx, bw.Errorf(bw.BadRequest, "this is not an HTTP request"))
	}
	ctx.SetConnectionClose()
	s.metrics.request("malformed", "", ctx.Response.StatusCode(), 0)
}
