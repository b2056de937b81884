package server

import (
	"bytes"
	"strings"

	"github.com/valyala/fasthttp"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/wire"
)

func (s *Server) listMessages(r *request) error {
	if err := s.mayRead(r); err != nil {
		return err
	}
	query, err := s.pageQuery(r)
	if err != nil {
		return err
	}
	release, err := s.deps.Hub.TakeTurn(r.ctx)
	if err != nil {
		return err
	}
	defer release()
	page, err := s.deps.Playback.Page(r.ctx, query)
	if err != nil {
		return err
	}
	answer := wire.MessagePage{Epoch: page.Epoch, Messages: page.Messages}
	if n := len(page.Messages); page.More && n > 0 {
		answer.Next = &page.Messages[0].Seq
		if query.After != 0 {
			answer.Next = &page.Messages[n-1].Seq
		}
	}
	return s.answerPage(r, answer)
}

// mayRead checks the token, then the room.
func (s *Server) mayRead(r *request) error {
	if _, _, err := s.authenticate(r); err != nil {
		return err
	}
	_, err := s.findRoom(r)
	return err
}

func (s *Server) pageQuery(r *request) (q history.PageQuery, err error) {
	q.Room = r.room
	if q.Limit, err = s.limit(r); err != nil {
		return q, err
	}
	before, hasBefore, err := natural(r, "before")
	if err != nil {
		return q, err
	}
	after, hasAfter, err := natural(r, "after")
	if err != nil {
		return q, err
	}
	switch {
	case hasBefore && hasAfter:
		return q, bw.Errorf(bw.BadQuery, "only one of before and after can be given")
	case hasBefore && before == 0:
		return q, bw.Errorf(bw.BadQuery, "before is a seq, and the first is 1")
	case hasAfter && after == 0:
		q.After = wire.FromStart
	default:
		q.Before, q.After = bw.Seq(before), bw.Seq(after)
	}
	return q, nil
}

func (s *Server) postMessage(r *request) error {
	user, _, err := s.authenticate(r)
	if err != nil {
		return err
	}
	if _, err := s.findRoom(r); err != nil {
		return err
	}
	var in wire.NewMessage
	if err := wire.DecodeBody(r.PostBody(), &in); err != nil {
		return err
	}
	if err := wire.CheckID(in.ID); err != nil {
		return err
	}
	if err := s.cfg.Limits.CheckText(in.Text); err != nil {
		return err
	}
	send := broker.Send{Room: r.room, User: user.Name, ID: bw.MessageID(in.ID), Text: in.Text}
	ack, err := s.deps.Hub.Send(r.ctx, user.Name, send)
	if err != nil {
		return err
	}
	return r.answer(fasthttp.StatusCreated, wire.SendAck{Epoch: ack.Epoch, Seq: ack.Seq, Timestamp: ack.Timestamp, Duplicate: ack.Duplicate})
}

// search finds messages in the room of the path, or in all when it has none.
func (s *Server) search(r *request) error {
	if _, _, err := s.authenticate(r); err != nil {
		return err
	}
	if r.room != 0 {
		if _, err := s.findRoom(r); err != nil {
			return err
		}
	}
	query, err := s.searchQuery(r)
	if err != nil {
		return err
	}
	release, err := s.deps.Hub.TakeTurn(r.ctx)
	if err != nil {
		return err
	}
	defer release()
	result, err := s.deps.History.Search(r.ctx, query)
	if err != nil {
		return err
	}
	answer := wire.SearchHits{Total: result.Total}
	for _, h := range result.Hits {
		answer.Hits = append(answer.Hits, wire.SearchHit{Message: h.Message, Highlight: h.Highlight})
	}
	if result.Cursor != "" {
		answer.Cursor = &result.Cursor
	}
	return s.answerPage(r, answer)
}

func (s *Server) searchQuery(r *request) (q history.SearchQuery, err error) {
	args := r.QueryArgs()
	q.Room = r.room
	if q.Terms, err = history.ParseTerms(strings.ToValidUTF8(string(args.Peek("q")), "\uFFFD")); err != nil {
		return q, err
	}
	if args.Has("user") {
		if q.User, err = wire.ParseName(string(args.Peek("user"))); err != nil {
			return q, bw.Errorf(bw.BadQuery, "user is not a name")
		}
	}
	from, _, err := natural(r, "from")
	if err != nil {
		return q, err
	}
	to, hasTo, err := natural(r, "to")
	if err != nil {
		return q, err
	}
	q.From, q.To = bw.Millis(from), bw.Millis(to)
	if hasTo && to == 0 {
		q.To = -1 // 0 is open, and nothing was said before 1
	}
	if q.Limit, err = s.limit(r); err != nil {
		return q, err
	}
	q.Cursor = string(args.Peek("cursor"))
	return q, nil
}

// answerPage answers with a body that may be long: until it is written, or the
// client lost, it counts among the answers that wait.
func (s *Server) answerPage(r *request, page any) error {
	if err := r.answer(fasthttp.StatusOK, page); err != nil {
		return err
	}
	body := r.Response.SwapBody(nil)
	r.SetBodyStream(&heldBody{bytes.NewReader(body), s.deps.Hub.Hold(cap(body))}, len(body))
	return nil
}

// heldBody releases its memory's share when fasthttp is done with it.
type heldBody struct {
	*bytes.Reader
	release func()
}

// Close implements io.Closer.
func (b *heldBody) Close() error {
	b.release()
	return nil
}
