package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// frame is any frame of the server: the fields of all of them.
type frame struct {
	message
	Type      string
	Recovered bool
	Messages  []message
	Users     int
	Duplicate bool
	Joined    []string
	Left      []string
	Next      *int64
	From, To  int64
	WithinMS  int64 `json:"within_ms"`
	Code      string
	Detail    string
	RetryMS   *int64 `json:"retry_after_ms"`
}

// socket is a person's connection. Frames are read in the background, each
// held against the AsyncAPI document, and wait in order for who asks for them.
type socket struct {
	*testing.T
	who    string
	conn   *websocket.Conn
	frames chan frame
	// closed is why reading ended; read it after frames is closed.
	closed error
	// joined is the answer to the join in the URL.
	joined frame
}

// maxFrame bounds what the tests read: a playback of 500 long messages.
const maxFrame = 8 << 20

// dial opens the socket of a join; query is what goes beside the user's name.
func (p *person) dial(r room, query url.Values, options *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
	if query == nil {
		query = url.Values{}
	}
	if !query.Has("user") {
		query.Set("user", p.Name)
	}
	if options == nil {
		options = &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + p.Token}}}
	}
	ctx, cancel := context.WithTimeout(p.Context(), patience)
	defer cancel()
	return websocket.Dial(ctx, p.base+r.path("/join?")+query.Encode(), options)
}

// join opens a socket and waits for its playback.
func (p *person) join(r room) *socket {
	p.Helper()
	return p.joinWith(r, nil)
}

// joinSince resumes after a seq.
func (p *person) joinSince(r room, epoch, seq int64) *socket {
	p.Helper()
	return p.joinWith(r, url.Values{"epoch": {fmt.Sprint(epoch)}, "since": {fmt.Sprint(seq)}})
}

func (p *person) joinWith(r room, query url.Values) *socket {
	p.Helper()
	conn, _, err := p.dial(r, query, nil)
	if err != nil {
		p.Fatalf("%s joining room %d: %v", p.Name, r.ID, err)
	}
	s := p.use(conn)
	s.joined = s.expect("joined")
	if s.joined.Room != r.ID || s.joined.ID != "" {
		p.Errorf("joining by URL: got room %d with id %q, want %d without one", s.joined.Room, s.joined.ID, r.ID)
	}
	return s
}

// use reads a connection until the test ends.
func (p *person) use(conn *websocket.Conn) *socket {
	conn.SetReadLimit(maxFrame)
	s := &socket{T: p.T, who: p.Name, conn: conn, frames: make(chan frame, 10_000)}
	ctx, cancel := context.WithCancel(context.Background())
	go s.read(ctx)
	p.Cleanup(func() {
		cancel()
		_ = conn.CloseNow() // closed already, or of no use any more
		for range s.frames {
		}
	})
	return s
}

func (s *socket) read(ctx context.Context) {
	defer close(s.frames)
	for {
		kind, payload, err := s.conn.Read(ctx)
		if err != nil {
			s.closed = err
			return
		}
		if kind != websocket.MessageText {
			s.Errorf("%s got a frame of type %v, want text only", s.who, kind)
		}
		if err := documents.ServerFrame(payload); err != nil {
			s.Errorf("%s got a frame that the AsyncAPI document does not have: %v", s.who, err)
		}
		var f frame
		if err := json.Unmarshal(payload, &f); err != nil {
			s.Errorf("%s got %q: %v", s.who, payload, err)
		}
		s.frames <- f
	}
}

// send writes a frame that the server should accept.
func (s *socket) send(frame map[string]any) {
	s.Helper()
	payload, err := json.Marshal(frame)
	if err != nil {
		s.Fatal(err)
	}
	if err := documents.ClientFrame(payload); err != nil {
		s.Errorf("the test sends a frame that the AsyncAPI document does not have: %v", err)
	}
	s.sendRaw(string(payload))
}

// sendRaw writes a text frame of any payload.
func (s *socket) sendRaw(payload string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, []byte(payload)); err != nil {
		s.Fatalf("%s sending %.200s: %v", s.who, payload, err)
	}
}

// say sends a message to the one room of the connection.
func (s *socket) say(id, text string) {
	s.Helper()
	s.send(map[string]any{"type": "send", "id": id, "text": text})
}

// next returns the next frame, whatever it is.
func (s *socket) next() frame {
	s.Helper()
	select {
	case f, ok := <-s.frames:
		if !ok {
			s.Fatalf("%s: got the connection closed (%v), want a frame", s.who, s.closed)
		}
		return f
	case <-time.After(patience):
		s.Fatalf("%s: got nothing for %v, want a frame", s.who, patience)
	}
	panic("unreachable")
}

// expect returns the next frame of a type. Presence comes whenever it likes and
// is passed over unless it is what is expected; any other frame is a defect.
func (s *socket) expect(kind string) frame {
	s.Helper()
	for {
		f := s.next()
		if f.Type == kind {
			return f
		}
		if f.Type != "presence" {
			s.Fatalf("%s: got %+v, want a frame of type %s", s.who, f, kind)
		}
	}
}

// expectError returns the next frame, which must be an error with a code.
func (s *socket) expectError(id, code string) frame {
	s.Helper()
	f := s.expect("error")
	if f.ID != id || f.Code != code {
		s.Errorf("%s: got error %q for %q (%s), want %q for %q", s.who, f.Code, f.ID, f.Detail, code, id)
	}
	return f
}

// expectBoth returns the next two frames that are no presence: one of each
// type, in any order.
func (s *socket) expectBoth(one, other string) (frame, frame) {
	s.Helper()
	got := map[string]frame{}
	for len(got) < 2 {
		f := s.next()
		if _, again := got[f.Type]; again || f.Type != one && f.Type != other {
			if f.Type == "presence" {
				continue
			}
			s.Fatalf("%s: got %+v, want one %s and one %s", s.who, f, one, other)
		}
		got[f.Type] = f
	}
	return got[one], got[other]
}

// expectClose waits for the end of the connection, passing over what comes
// before it, and holds it to a close code and reason.
func (s *socket) expectClose(code websocket.StatusCode, reason string) {
	s.Helper()
	end := time.After(patience)
	for {
		select {
		case _, ok := <-s.frames:
			if ok {
				continue
			}
			var closed websocket.CloseError
			if !errors.As(s.closed, &closed) || closed.Code != code || closed.Reason != reason {
				s.Errorf("%s: got the end %v, want a close with %d %q", s.who, s.closed, code, reason)
			}
			return
		case <-end:
			s.Fatalf("%s: got no close for %v, want %d %q", s.who, patience, code, reason)
		}
	}
}

// nothing asks for a page, whose answer is a fence: no frame but presence may
// come before it.
func (s *socket) nothing(r room) {
	s.Helper()
	id := unique("fence")
	s.send(map[string]any{"type": "history", "id": id, "room": r.ID, "limit": 1})
	if f := s.expect("history"); f.ID != id {
		s.Errorf("%s: got the page %q, want %q", s.who, f.ID, id)
	}
}

// leave closes the connection in order.
func (s *socket) leave() {
	s.Helper()
	if err := s.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		s.Errorf("%s closing: %v", s.who, err)
	}
}

// quote writes a string as JSON.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always can be
	}
	return string(b)
}
