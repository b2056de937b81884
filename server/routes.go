package server

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// request is what a handler is given.
type request struct {
	*fasthttp.RequestCtx
	ctx context.Context
	id  string
	// room is the {id} of the path, 0 if it has none.
	room bw.RoomID
	// turn is the one that was taken at the door, nil if none was or the join has it.
	turn func(finished bool)
}

// handler answers a request or returns why not, which becomes a problem document.
type handler func(*request) error

// route is a path with its handlers by method.
type route struct {
	// pattern is the path, as the label of metrics and in OpenAPI.
	pattern string
	methods map[string]handler
}

const (
	chatrooms   = "/v1/chatrooms/"
	joinPattern = chatrooms + "{id}/join"
)

// find returns the route of a path and the room in it. Paths are few and their
// shapes fixed, so a switch does what a router would.
func (s *Server) find(path string) (route, string) {
	switch path {
	case "/v1/chatrooms":
		return route{path, map[string]handler{"GET": s.listRooms, "POST": s.createRoom}}, ""
	case "/v1/chatrooms/users":
		return route{path, map[string]handler{"POST": s.signUp}}, ""
	case "/v1/chatrooms/users/login":
		return route{path, map[string]handler{"POST": s.logIn}}, ""
	case "/v1/chatrooms/users/token":
		return route{path, map[string]handler{"POST": s.refreshToken}}, ""
	case "/v1/messages/search":
		return route{path, map[string]handler{"GET": s.search}}, ""
	case "/healthz":
		return route{path, map[string]handler{"GET": s.live}}, ""
	case "/readyz":
		return route{path, map[string]handler{"GET": s.ready}}, ""
	case "/metrics":
		return route{path, map[string]handler{"GET": s.showMetrics}}, ""
	}
	if _, ok := s.files[path]; ok {
		return route{"/", map[string]handler{"GET": s.showFile}}, ""
	}
	rest, ok := strings.CutPrefix(path, chatrooms)
	if !ok {
		return route{}, ""
	}
	id, below, _ := strings.Cut(rest, "/")
	if id == "" {
		return route{}, ""
	}
	const base = chatrooms + "{id}"
	switch below {
	case "":
		if !strings.HasSuffix(rest, "/") {
			return route{base, map[string]handler{"GET": s.showRoom}}, id
		}
	case "users":
		return route{base + "/users", map[string]handler{"GET": s.listUsers}}, id
	case "messages":
		return route{base + "/messages", map[string]handler{"GET": s.listMessages, "POST": s.postMessage}}, id
	case "messages/search":
		return route{base + "/messages/search", map[string]handler{"GET": s.search}}, id
	case "join":
		return route{joinPattern, map[string]handler{"GET": s.join}}, id
	}
	return route{}, ""
}

// dispatch finds the handler and calls it.
func (s *Server) dispatch(r *request) (pattern string, err error) {
	if !bytes.HasPrefix(r.Request.Header.Protocol(), []byte("HTTP/1.")) {
		return "other", bw.Errorf(bw.BadRequest, "this server speaks HTTP/1.1")
	}
	found, id := s.find(string(r.Path()))
	if found.pattern == "" {
		return "other", bw.Errorf(bw.NotFound, "there is nothing at this path")
	}
	handle, ok := found.methods[string(r.Method())]
	if r.IsHead() && found.hasHead() {
		handle, ok = found.methods[fasthttp.MethodGet] // fasthttp leaves the body out
	}
	if !ok {
		r.Response.Header.Set("Allow", found.allowed())
		return found.pattern, bw.Errorf(bw.MethodNotAllowed, "this path does not have the method %s", printable(string(r.Method())))
	}
	if id != "" {
		r.room = parseRoom(id)
	}
	return found.pattern, handle(r)
}

// nowhere is a room that never exists: what is not written as an id is read as
// this one, so that handlers can refuse the request for another reason first.
const nowhere bw.RoomID = -1

func parseRoom(s string) bw.RoomID {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id < 1 || id > int64(bw.MaxRoomID) || strconv.FormatInt(id, 10) != s {
		return nowhere
	}
	return bw.RoomID(id)
}

// findRoom returns the room of the path.
func (s *Server) findRoom(r *request) (bw.Room, error) {
	if r.room == nowhere {
		return bw.Room{}, bw.Errorf(bw.NoSuchRoom, "there is no such room")
	}
	return s.deps.Directory.FindRoom(r.ctx, r.room)
}

// hasHead says whether there is something to ask of: a join is a GET that has no
// answer but a WebSocket.
func (r route) hasHead() bool {
	return r.methods[fasthttp.MethodGet] != nil && !strings.HasSuffix(r.pattern, "/join")
}

// allowed is the route's Allow header.
func (r route) allowed() string {
	names := slices.Collect(maps.Keys(r.methods))
	if r.hasHead() {
		names = append(names, fasthttp.MethodHead)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// printable cuts what a client sent down to what an answer may repeat.
func printable(s string) string {
	const limit = 32
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "?")
}

// answer writes a response of the contract.
func (r *request) answer(status int, v any) error {
	body, err := wire.EncodeBody(v)
	if err != nil {
		return err
	}
	r.SetStatusCode(status)
	r.SetContentType("application/json")
	r.Response.Header.Set("Cache-Control", "no-store")
	r.SetBody(body)
	return nil
}

// limit reads the query's limit.
func (s *Server) limit(r *request) (int, error) {
	if !r.QueryArgs().Has("limit") {
		return s.cfg.Limits.DefaultPage, nil
	}
	n, err := strconv.Atoi(string(r.QueryArgs().Peek("limit")))
	if err != nil || n < 1 || n > s.cfg.Limits.MaxPage {
		return 0, bw.Errorf(bw.BadQuery, "limit is a number from 1 to %d", s.cfg.Limits.MaxPage)
	}
	return n, nil
}

// natural reads a number of the query that is not negative; has says whether it is there.
func natural(r *request, name string) (n int64, has bool, err error) {
	if !r.QueryArgs().Has(name) {
		return 0, false, nil
	}
	n, err = strconv.ParseInt(string(r.QueryArgs().Peek(name)), 10, 64)
	if err != nil || n < 0 {
		return 0, true, bw.Errorf(bw.BadQuery, "%s is a whole number that is not negative", name)
	}
	return n, true, nil
}
