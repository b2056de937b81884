package server

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/valyala/fasthttp"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/server/live"
	"github.com/breakwater-chat/breakwater/wire"
)

// subprotocol is what browsers ask for beside the one that holds their token.
const subprotocol = "breakwater.v1"

// join checks everything that can be wrong, so that what is wrong is told in a
// problem document, and only then switches to WebSocket.
func (s *Server) join(r *request) error {
	if err := s.deps.Hub.Admit(); err != nil {
		return err
	}
	user, expires, err := s.authenticate(r)
	if err != nil {
		return err
	}
	room, err := s.findRoom(r)
	if err != nil {
		return err
	}
	if r.QueryArgs().Has("user") {
		name, err := wire.ParseName(string(r.QueryArgs().Peek("user")))
		if err != nil || name != user.Name {
			return bw.Errorf(bw.NotYourName, "the token is another user's")
		}
	}
	if err := checkHandshake(r); err != nil {
		return err
	}
	since, err := sinceOf(r)
	if err != nil {
		return err
	}
	hello := live.Hello{User: user, TokenExpires: expires, Room: room.ID, Since: since, RequestID: r.id}
	head := requestHead(r.RequestCtx)
	r.HijackSetNoResponse(true)
	r.Hijack(func(c net.Conn) { s.adopt(c, head, hello) })
	return nil
}

// checkHandshake holds the request to RFC 6455, section 4.2.1.
func checkHandshake(r *request) error {
	h := &r.Request.Header
	if !hasToken(h.PeekAll("Upgrade"), "websocket") || !hasToken(h.PeekAll("Connection"), "upgrade") {
		r.Response.Header.Set("Upgrade", "websocket")
		return bw.Errorf(bw.UpgradeRequired, "this path speaks WebSocket only")
	}
	if string(h.Peek("Sec-WebSocket-Version")) != "13" {
		r.Response.Header.Set("Upgrade", "websocket")
		r.Response.Header.Set("Sec-WebSocket-Version", "13")
		return bw.Errorf(bw.UpgradeRequired, "this server speaks version 13 of WebSocket only")
	}
	switch {
	case !h.IsGet() || !h.IsHTTP11():
		return bw.Errorf(bw.BadRequest, "a WebSocket handshake is a GET by HTTP/1.1")
	case len(r.PostBody()) > 0 || h.ContentLength() > 0:
		return bw.Errorf(bw.BadRequest, "a WebSocket handshake has no body")
	case len(h.Peek("Sec-WebSocket-Key")) != keyLength:
		return bw.Errorf(bw.BadRequest, "Sec-WebSocket-Key must be 16 bytes in base64")
	}
	return nil
}

// keyLength is that of 16 bytes in base64.
const keyLength = 24

func hasToken(lines [][]byte, token string) bool {
	for _, line := range lines {
		for word := range strings.SplitSeq(string(line), ",") {
			if strings.EqualFold(strings.TrimSpace(word), token) {
				return true
			}
		}
	}
	return false
}

// sinceOf reads the position of a resume.
func sinceOf(r *request) (*bw.Position, error) {
	epoch, hasEpoch, err := natural(r, "epoch")
	if err != nil {
		return nil, err
	}
	seq, hasSeq, err := natural(r, "since")
	if err != nil {
		return nil, err
	}
	if hasEpoch != hasSeq {
		return nil, bw.Errorf(bw.BadQuery, "epoch and since come together")
	}
	if !hasSeq {
		return nil, nil
	}
	return &bw.Position{Epoch: bw.Epoch(epoch), Seq: bw.Seq(seq)}, nil
}

// requestHead rebuilds the request for the upgrader, which reads it again.
func requestHead(ctx *fasthttp.RequestCtx) []byte {
	head := append([]byte("GET "), ctx.RequestURI()...)
	head = append(head, " HTTP/1.1\r\n"...)
	head = append(head, ctx.Request.Header.RawHeaders()...)
	if !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		head = append(head, "\r\n"...)
	}
	return head
}

// replay reads the head and writes to the connection.
type replay struct {
	io.Reader
	io.Writer
}

// adopt writes the 101 and gives the connection to the hub. It runs in a
// goroutine of fasthttp's own, which ends with it.
func (s *Server) adopt(hijacked net.Conn, head []byte, hello live.Hello) {
	nc := hijacked
	if wrapped, ok := hijacked.(interface{ UnsafeConn() net.Conn }); ok {
		nc = wrapped.UnsafeConn() // the wrapper keeps a buffer for as long as it lives
	}
	upgrader := ws.Upgrader{Protocol: func(p []byte) bool { return string(p) == subprotocol }}
	_ = nc.SetDeadline(time.Now().Add(s.cfg.RequestTimeout))
	if _, err := upgrader.Upgrade(replay{bytes.NewReader(head), nc}); err != nil {
		s.deps.Log.Debug("an upgrade failed", "request", hello.RequestID, "error", err)
		_ = nc.Close()
		return
	}
	pipelined, err := buffered(hijacked, nc)
	if err != nil {
		_ = nc.Close()
		return
	}
	_ = nc.SetDeadline(time.Time{})
	s.deps.Hub.Adopt(nc, pipelined, hello)
}

// buffered takes what came behind the request and lies in fasthttp's buffer: a
// read whose deadline is over returns that and nothing else. It must not reach
// into a TLS connection in that way only if nothing is buffered: the read then
// fails by the deadline before a byte of a record is taken, which crypto/tls
// reports as a timeout that later reads survive.
func buffered(hijacked, nc net.Conn) ([]byte, error) {
	if err := nc.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return nil, err
	}
	var all []byte
	buf := make([]byte, 4<<10)
	for {
		n, err := hijacked.Read(buf)
		all = append(all, buf[:n]...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if _, ok := nc.(*tls.Conn); ok && n < len(buf) {
			return all, nil
		}
	}
}
