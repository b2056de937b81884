package server

import (
	"bytes"
	"encoding/base64"
	"io"
	"iter"
	"net"
	"slices"
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

// join takes a turn among the joins, before it costs anything, unless the door has.
func (s *Server) join(r *request) (err error) {
	if err := s.deps.Hub.Admit(); err != nil {
		return err
	}
	if r.turn == nil {
		if r.turn, err = s.deps.Hub.EnterJoin(comesBack(r.RequestCtx)); err != nil {
			return err
		}
	}
	return s.upgrade(r)
}

// upgrade checks everything that can be wrong, so that what is wrong is told in a
// problem document, and only then switches to WebSocket. If it does, the turn is left
// when the join has ended.
func (s *Server) upgrade(r *request) error {
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
	handshake := canonical(&r.Request.Header)
	leave := r.turn
	r.turn = nil
	r.HijackSetNoResponse(true)
	r.Hijack(func(c net.Conn) {
		s.adopt(c, handshake, hello)
		leave(true)
	})
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
	case len(h.Host()) == 0:
		return bw.Errorf(bw.BadRequest, "a WebSocket handshake names its host")
	case !goodKey(h.PeekAll("Sec-WebSocket-Key")):
		return bw.Errorf(bw.BadRequest, "Sec-WebSocket-Key must be 16 bytes in base64")
	}
	return nil
}

func goodKey(lines [][]byte) bool {
	const size = 16
	if len(lines) != 1 {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(string(lines[0]))
	return err == nil && len(key) == size
}

// words are the elements of a header's comma-separated lists.
func words(lines [][]byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for word := range strings.SplitSeq(string(line), ",") {
				if !yield(strings.TrimSpace(word)) {
					return
				}
			}
		}
	}
}

func hasToken(lines [][]byte, token string) bool {
	for word := range words(lines) {
		if strings.EqualFold(word, token) {
			return true
		}
	}
	return false
}

// canonical writes a good handshake anew for the upgrader, which has rules of its
// own for what may be written in several ways: what was checked is what counts.
func canonical(h *fasthttp.RequestHeader) []byte {
	head := "GET / HTTP/1.1\r\nHost: server\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + string(h.Peek("Sec-WebSocket-Key")) + "\r\n"
	if slices.Contains(slices.Collect(words(h.PeekAll("Sec-WebSocket-Protocol"))), subprotocol) {
		head += "Sec-WebSocket-Protocol: " + subprotocol + "\r\n"
	}
	return []byte(head + "\r\n")
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

// replay reads the handshake and writes to the connection.
type replay struct {
	io.Reader
	io.Writer
}

// adopt writes the 101 and gives the connection to the hub. It runs in a
// goroutine of fasthttp's own, which ends with it.
func (s *Server) adopt(hijacked net.Conn, handshake []byte, hello live.Hello) {
	nc := hijacked
	if wrapped, ok := hijacked.(interface{ UnsafeConn() net.Conn }); ok {
		nc = wrapped.UnsafeConn() // the wrapper keeps a buffer for as long as it lives
	}
	_ = nc.SetWriteDeadline(time.Now().Add(s.cfg.RequestTimeout))
	upgrader := ws.Upgrader{Protocol: func(p []byte) bool { return string(p) == subprotocol }}
	if _, err := upgrader.Upgrade(replay{bytes.NewReader(handshake), nc}); err != nil {
		s.deps.Log.Debug("an upgrade could not be answered", "request", hello.RequestID, "error", err)
		_ = nc.Close()
		return
	}
	pipelined := buffered(hijacked, nc)
	_ = nc.SetDeadline(time.Time{})
	s.deps.Hub.Adopt(nc, pipelined, hello)
}

// buffered takes what came behind the request and was read with it: a read whose
// deadline is over returns that and takes nothing from the socket. A TLS
// connection survives it: its next read goes on where this one stopped. Should
// the connection be broken, that read tells, too.
func buffered(hijacked, nc net.Conn) (all []byte) {
	if err := nc.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return nil
	}
	buf := make([]byte, 4<<10)
	for {
		n, err := hijacked.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			return all
		}
	}
}
