package drill

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/oracle"
	"github.com/breakwater-chat/breakwater/wire"
)

// tap is a connection of a client whose every frame is noted, as it is sent and as it
// comes: what the client makes of it, and hides from its application, the oracle sees.
type tap struct {
	net.Conn
	record *record
	client string
	user   bw.Name
	number int
	place  string

	// mu is for the reader, the writer and who closes.
	mu      sync.Mutex
	out, in frames
	asked   map[string]question // by id; the join by the URL has none
	closed  bool
}

// question is a request that waits for its answer.
type question struct {
	at    time.Duration
	room  bw.RoomID
	since bw.Seq
	after bw.Seq
}

// tapped has a dialer's connections noted.
func (s *seat) tapped(dial dialer) dialer {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		s.mu.Lock()
		barred := s.barred
		s.mu.Unlock()
		if barred != nil {
			select {
			case <-barred:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		t := &tap{
			Conn: conn, record: s.record, client: s.name, user: s.user, place: s.place,
			number: s.record.number(s.name), asked: map[string]question{},
		}
		t.out.head, t.out.message = t.request, t.said
		t.in.head, t.in.message = t.response, t.heard
		s.mu.Lock()
		s.latest = t
		s.mu.Unlock()
		return t, nil
	}
}

// Read implements net.Conn.
func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.in.feed(p[:n])
	if err != nil {
		t.close(wire.CloseAbnormal)
	}
	return n, err
}

// Write implements net.Conn. What is written is noted before.
func (t *tap) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.out.feed(p)
	t.mu.Unlock()
	return t.Conn.Write(p)
}

// Close implements net.Conn.
func (t *tap) Close() error {
	t.mu.Lock()
	t.close(wire.CloseAbnormal)
	t.mu.Unlock()
	return t.Conn.Close()
}

// close notes the end of a connection that was made. Called under mu.
func (t *tap) close(code wire.CloseCode) {
	if t.closed || !t.in.begun {
		return
	}
	t.closed = true
	t.note(oracle.Event{Kind: oracle.Closed, Code: strconv.Itoa(int(code))})
}

func (t *tap) note(e oracle.Event) {
	e.Client, e.Conn = t.client, t.number
	t.record.add(e)
}

// request reads the upgrade: it is the join of the first room.
func (t *tap) request(head []byte) {
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	_, rest, _ := strings.Cut(string(line), " ")
	target, _, _ := strings.Cut(rest, " ")
	u, err := url.Parse(target)
	if err != nil {
		return
	}
	room, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(u.Path, "/v1/chatrooms/"), "/join"), 10, 64)
	since, _ := strconv.ParseInt(u.Query().Get("since"), 10, 64)
	t.asked[""] = question{at: t.record.now(), room: bw.RoomID(room), since: bw.Seq(since)}
}

// response reads whether the upgrade was granted.
func (t *tap) response(head []byte) {
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
		t.in.broken, t.closed = true, true // a refusal: no connection came to be
		return
	}
	t.note(oracle.Event{Kind: oracle.Connected, User: string(t.user), Server: t.place, Room: int64(t.asked[""].room)})
}

// said notes what the client asks for.
func (t *tap) said(op byte, payload []byte) {
	if op == wire.OpClose {
		t.close(closeCode(payload))
	}
	if op != wire.OpText || t.closed {
		return
	}
	f, err := (wire.Limits{}).ParseClientFrame(payload)
	if err != nil {
		t.record.broken("%s sent %q: %v", t.client, payload, err)
		return
	}
	q := question{at: t.record.now(), room: f.Room, after: max(f.After, 0)}
	if f.Since != nil {
		q.since = f.Since.Seq
	}
	t.asked[f.ID] = q
	if f.Type == wire.TypeSend {
		t.note(oracle.Event{Kind: oracle.Sent, Room: int64(f.Room), ID: f.ID, Text: f.Text})
	}
}

// heard notes what the server says.
func (t *tap) heard(op byte, payload []byte) {
	if op == wire.OpClose {
		t.close(closeCode(payload))
	}
	if op != wire.OpText || t.closed {
		return
	}
	f, err := wire.ParseServerFrame(payload)
	if err != nil {
		t.record.broken("%s got %q: %v", t.client, payload, err)
		return
	}
	e := oracle.Event{Room: int64(f.Room), Epoch: int64(f.Epoch)}
	switch f.Type {
	case wire.TypeMessage:
		e.Kind, e.Seq, e.ID, e.User, e.Text = oracle.Received, int64(f.Seq), f.ID, string(f.User), f.Text
		t.note(e)
		t.record.received(f.Timestamp)
	case wire.TypeGap:
		e.Kind, e.From, e.To = oracle.Gap, int64(f.From), int64(f.To)
		t.note(e)
	case wire.TypePresence:
		t.presence(e, f)
	default:
		t.answer(e, f)
	}
}

func (t *tap) presence(e oracle.Event, f wire.ServerFrame) {
	for kind, names := range map[oracle.Kind][]bw.Name{oracle.Came: f.Joined, oracle.Went: f.Left} {
		if len(names) == 0 {
			continue
		}
		e.Kind, e.Names = kind, nil
		for _, n := range names {
			e.Names = append(e.Names, string(n))
		}
		t.note(e)
	}
}

// answer notes the answer to a question.
func (t *tap) answer(e oracle.Event, f wire.ServerFrame) {
	q, known := t.asked[f.ID]
	if !known {
		return
	}
	e.Asked, e.ID = q.at, f.ID
	switch f.Type {
	case wire.TypeAck:
		e.Kind, e.Seq, e.Duplicate, e.Asked = oracle.Acked, int64(f.Seq), f.Duplicate, 0
	case wire.TypeError:
		if strings.HasPrefix(f.ID, "~") || f.ID == "" { // of a request that is no send
			t.record.refused(f.Code)
			return
		}
		e.Kind, e.Room, e.Code, e.Asked = oracle.Refused, int64(q.room), string(f.Code), 0
		t.record.refused(f.Code)
	case wire.TypeJoined:
		e.Kind, e.Seq, e.Recovered, e.Since, e.ID = oracle.Joined, int64(f.Seq), f.Recovered, int64(q.since), ""
		e.Messages = messages(f.Messages)
	case wire.TypeLeft:
		e.Kind, e.ID = oracle.Left, ""
	case wire.TypeHistory:
		e.Kind, e.Room, e.ID = oracle.Fetched, int64(q.room), ""
		if e.Messages = messages(f.Messages); len(e.Messages) == 0 {
			return
		}
		e.From, e.To = int64(q.after)+1, e.Messages[len(e.Messages)-1].Seq
	default:
		return
	}
	delete(t.asked, f.ID)
	t.note(e)
}

func messages(from []bw.Message) (all []oracle.Message) {
	for _, m := range from {
		all = append(all, oracle.Message{Epoch: int64(m.Epoch), Seq: int64(m.Seq), ID: string(m.ID), User: string(m.User), Text: m.Text})
	}
	return all
}

// closeCode reads the payload of a close frame.
func closeCode(payload []byte) wire.CloseCode {
	if len(payload) < 2 {
		return wire.CloseNoStatus
	}
	return wire.CloseCode(binary.BigEndian.Uint16(payload))
}
