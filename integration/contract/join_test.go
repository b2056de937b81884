package contract

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// upgrade asks for a WebSocket by hand, so that what is wrong with a request
// can be chosen, and returns the answer, which is to be a refusal.
func upgrade(t *testing.T, path, token string, change func(http.Header)) answer {
	t.Helper()
	header := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	if change != nil {
		change(header)
	}
	return request{method: "GET", path: path, token: token, header: header}.do(t)
}

func TestRefusedJoins(t *testing.T) {
	ada, bob := newPerson(t, "Ada"), newPerson(t, "Bob")
	r := ada.newRoom()
	mine := "/join?user=" + url.QueryEscape(ada.Name)
	nowhere := room{ID: r.ID + 1_000_000}
	for _, row := range []struct {
		name, path, token string
		change            func(http.Header)
		status            int
		code              string
	}{
		{"no token", r.path(mine), "", nil, 401, "unauthorized"},
		{"a token that is none", r.path(mine), "x.y.z", nil, 401, "unauthorized"},
		{"another's name", r.path("/join?user=" + url.QueryEscape(bob.Name)), ada.Token, nil, 403, "not_your_name"},
		{"a name that is none", r.path("/join?user=%20"), ada.Token, nil, 403, "not_your_name"},
		{"no such room", nowhere.path(mine), ada.Token, nil, 404, "no_such_room"},
		{"a room that is no number", "/v1/chatrooms/abc" + mine, ada.Token, nil, 404, "no_such_room"},
		{"no upgrade", r.path(mine), ada.Token, func(h http.Header) { h.Del("Upgrade"); h.Del("Connection") }, 426, "upgrade_required"},
		{"an upgrade to something else", r.path(mine), ada.Token, func(h http.Header) { h.Set("Upgrade", "h2c") }, 426, "upgrade_required"},
		{"another version", r.path(mine), ada.Token, func(h http.Header) { h.Set("Sec-Websocket-Version", "8") }, 426, "upgrade_required"},
		{"no key", r.path(mine), ada.Token, func(h http.Header) { h.Del("Sec-Websocket-Key") }, 400, "bad_request"},
		{"a key of another length", r.path(mine), ada.Token, func(h http.Header) { h.Set("Sec-Websocket-Key", "dGhl") }, 400, "bad_request"},
		{"an epoch without since", r.path(mine + "&epoch=1"), ada.Token, nil, 400, "bad_query"},
		{"a since that is no number", r.path(mine + "&epoch=1&since=x"), ada.Token, nil, 400, "bad_query"},
		{"a negative since", r.path(mine + "&epoch=1&since=-1"), ada.Token, nil, 400, "bad_query"},
		// Of several faults the first of the contract's order is told.
		{"no token and no room", nowhere.path("/join"), "", func(h http.Header) { h.Del("Upgrade") }, 401, "unauthorized"},
		{"no room and no upgrade", nowhere.path(mine), ada.Token, func(h http.Header) { h.Del("Upgrade") }, 404, "no_such_room"},
		{"another's name and no upgrade", r.path("/join?user=x"), ada.Token, func(h http.Header) { h.Del("Upgrade") }, 403, "not_your_name"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := upgrade(t, row.path, row.token, row.change).refused(row.status, row.code)
			if row.name == "another version" && a.header.Get("Sec-WebSocket-Version") != "13" {
				t.Errorf("got Sec-WebSocket-Version %q, want 13 (RFC 6455, section 4.4)", a.header.Get("Sec-WebSocket-Version"))
			}
		})
	}
}

func TestWhereATokenMayStand(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	for _, row := range []struct {
		name        string
		query       url.Values
		options     websocket.DialOptions
		subprotocol string
	}{
		{"the header", nil, websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + ada.Token}}}, ""},
		{"the header in another case", nil, websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"bearer " + ada.Token}}}, ""},
		{"the query", url.Values{"token": {ada.Token}}, websocket.DialOptions{}, ""},
		{"the subprotocols", nil, websocket.DialOptions{Subprotocols: []string{"breakwater.v1", "bearer." + ada.Token}}, "breakwater.v1"},
		{"the subprotocols in another order", nil, websocket.DialOptions{Subprotocols: []string{"bearer." + ada.Token, "breakwater.v1"}}, "breakwater.v1"},
		{"the header, with a subprotocol", nil, websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + ada.Token}}, Subprotocols: []string{"breakwater.v1"}}, "breakwater.v1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := *ada
			p.T = t
			conn, _, err := p.dial(r, row.query, &row.options)
			if err != nil {
				t.Fatalf("joining: %v", err)
			}
			s := p.use(conn)
			s.expect("joined")
			if got := conn.Subprotocol(); got != row.subprotocol {
				t.Errorf("got subprotocol %q, want %q", got, row.subprotocol)
			}
		})
	}
}

func TestJoiningWithoutANameIsUnderOnesOwn(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, ada.base+r.path("/join?token=")+ada.Token, nil)
	if err != nil {
		t.Fatalf("joining: %v", err)
	}
	ada.use(conn).expect("joined")
	if got := ada.users(r, 1).Users[0].Name; got != ada.Name {
		t.Errorf("got %q in the room, want %q", got, ada.Name)
	}
}

func TestPlaybackOfAJoin(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	empty := ada.join(r).joined
	if empty.Epoch < 1 || empty.Seq != 0 || len(empty.Messages) != 0 || empty.Users != 1 || empty.Recovered {
		t.Errorf("got %+v of a new room, want an epoch, seq 0, no messages and one user", empty)
	}
	all := ada.sayMany(r, 60)
	s := newPerson(t, "Bob").join(r)
	if got := s.joined; got.Seq != 60 || got.Epoch != empty.Epoch || got.Recovered || got.Users != 2 || fmt.Sprint(got.Messages) != fmt.Sprint(all[10:]) {
		t.Errorf("got %+v, want the last 50 of 60 messages up to seq 60 of epoch %d, and two users", got, empty.Epoch)
	}
	next := ada.say(r, "next", "next")
	if got := s.expect("message").message; got != next || got.Seq != s.joined.Seq+1 {
		t.Errorf("got %+v behind seq %d, want %+v", got, s.joined.Seq, next)
	}
}

func TestResuming(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	const total = 560
	all := ada.sayMany(r, total)
	epoch := all[0].Epoch
	for _, row := range []struct {
		name       string
		epoch, seq int64
		recovered  bool
		from       int // index of the first message that is played back
	}{
		{"nothing missed", epoch, total, true, total},
		{"one missed", epoch, total - 1, true, total - 1},
		{"more than a playback missed", epoch, total - 120, true, total - 120},
		{"500 missed", epoch, total - 500, true, total - 500},
		{"501 missed", epoch, total - 501, false, total - 50},
		{"from the beginning", epoch, 0, false, total - 50},
		{"an unknown epoch", epoch - 1, total - 1, false, total - 50},
		{"a seq that was never given", epoch, total + 1, false, total - 50},
	} {
		for _, way := range []string{"by URL", "by frame"} {
			t.Run(row.name+"/"+way, func(t *testing.T) {
				p := *ada
				p.T = t
				var got frame
				if way == "by URL" {
					got = p.joinSince(r, row.epoch, row.seq).joined
				} else {
					s := p.join(p.newRoom())
					s.send(map[string]any{"type": "join", "id": "j", "room": r.ID, "since": map[string]int64{"epoch": row.epoch, "seq": row.seq}})
					if got = s.expect("joined"); got.ID != "j" {
						t.Errorf("got id %q, want that of the join", got.ID)
					}
				}
				if got.Recovered != row.recovered || got.Seq != total || got.Epoch != epoch {
					t.Errorf("got recovered %t up to (%d, %d), want %t up to (%d, %d)", got.Recovered, got.Epoch, got.Seq, row.recovered, epoch, total)
				}
				if fmt.Sprint(got.Messages) != fmt.Sprint(all[row.from:]) {
					t.Errorf("got %d messages, want the %d from seq %d on", len(got.Messages), total-row.from, row.from+1)
				}
			})
		}
	}
}

// TestALargePlaybackIsFollowedByTheChat joins with more than the server keeps
// waiting for a connection: what is behind it must not be forgotten.
func TestALargePlaybackIsFollowedByTheChat(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	var first message
	for i := range 120 {
		if m := ada.say(r, unique("large"), strings.Repeat("\"", 4096)); i == 0 {
			first = m
		}
	}
	for _, row := range []struct {
		name  string
		query url.Values
	}{
		{"the newest", nil},
		{"a resume", url.Values{"epoch": {fmt.Sprint(first.Epoch)}, "since": {"0"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := *ada
			p.T = t
			s := p.joinWith(r, row.query)
			s.nothing(r)
			s.say(unique("heard"), "Can you hear me?")
			s.expectBoth("ack", "message")
			s.leave()
		})
	}
}

// TestResumingInABusyRoom resumes all the time while somebody sends without a
// pause: what is played back ends at joined.seq, and what is live begins there.
func TestResumingInABusyRoom(t *testing.T) {
	ada, bob := newPerson(t, "Ada"), newPerson(t, "Bob")
	r := ada.newRoom()
	sender := ada.join(r)
	quiet, rest := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(rest)
		for i := 0; ; i++ {
			select {
			case <-quiet:
				return
			default:
			}
			for n := range 100 {
				sender.say(fmt.Sprint(i, "-", n), "busy")
			}
			for acks := 0; acks < 100; {
				if f, ok := <-sender.frames; !ok {
					return
				} else if f.Type == "ack" {
					acks++
				}
			}
		}
	}()
	epoch := sender.joined.Epoch
	for n := range 300 {
		var newest page
		bob.get(r.path("/messages?limit=1")).ok(http.StatusOK, &newest)
		since := int64(0)
		if len(newest.Messages) == 1 {
			since = max(0, newest.Messages[0].Seq-int64(n%2*n)) // every other time the very newest
		}
		s := bob.joinSince(r, epoch, since)
		if !s.joined.Recovered && s.joined.Seq-since > 500 {
			s.leave() // too much was said while he came
			continue
		}
		if !s.joined.Recovered {
			t.Errorf("got a resume after seq %d reset, want it recovered: somebody has seen that seq", since)
		}
		heard := append([]message(nil), s.joined.Messages...)
		if last := int64(len(heard)) + since; last != s.joined.Seq {
			t.Fatalf("got %d messages after seq %d and joined.seq %d, want the playback to end there", len(heard), since, s.joined.Seq)
		}
		for len(heard) < len(s.joined.Messages)+20 {
			if f := s.next(); f.Type == "message" {
				heard = append(heard, f.message)
			}
		}
		for i, m := range heard {
			if m.Seq != since+int64(i)+1 {
				t.Fatalf("got seq %d as message %d after seq %d, want each once and in order (joined.seq is %d)", m.Seq, i+1, since, s.joined.Seq)
			}
		}
		s.leave()
	}
	close(quiet)
	<-rest
}

func TestSeveralRoomsOnOneConnection(t *testing.T) {
	ada, bob := newPerson(t, "Ada"), newPerson(t, "Bob")
	one, two := ada.newRoom(), ada.newRoom()
	two2 := bob.say(two, "old", "said before")
	s := ada.join(one)
	s.send(map[string]any{"type": "join", "id": "j2", "room": two.ID})
	if got := s.expect("joined"); got.ID != "j2" || got.Room != two.ID || len(got.Messages) != 1 || got.Messages[0] != two2 {
		t.Errorf("got %+v, want j2, room %d and its one message", got, two.ID)
	}
	s.send(map[string]any{"type": "join", "id": "again", "room": two.ID})
	s.expectError("again", "already_in_room")
	s.send(map[string]any{"type": "join", "id": "none", "room": two.ID + 1_000_000})
	s.expectError("none", "no_such_room")

	for _, frame := range []map[string]any{
		{"type": "send", "id": "x", "text": "where?"},
		{"type": "history", "id": "x"},
	} {
		s.send(frame)
		s.expectError("x", "not_in_room")
	}
	s.send(map[string]any{"type": "typing"})
	s.expectError("", "not_in_room")

	s.send(map[string]any{"type": "send", "id": "x", "room": two.ID, "text": "here"})
	if ack, m := s.expectBoth("ack", "message"); ack.Room != two.ID || m.Room != two.ID || m.Text != "here" {
		t.Errorf("got ack %+v and message %+v, want room %d", ack, m, two.ID)
	}
	s.send(map[string]any{"type": "leave", "id": "l", "room": one.ID})
	if got := s.expect("left"); got.ID != "l" || got.Room != one.ID {
		t.Errorf("got %+v, want the answer l for room %d", got, one.ID)
	}
	ada.users(one, 0)
	bob.say(one, "unheard", "nobody is here")
	s.say("y", "the one room left")
	if ack, _ := s.expectBoth("ack", "message"); ack.Room != two.ID {
		t.Errorf("got %+v, want room %d, the only one", ack, two.ID)
	}
	for _, kind := range []string{"leave", "send", "history"} {
		frame := map[string]any{"type": kind, "id": "z", "room": one.ID}
		if kind == "send" {
			frame["text"] = "x"
		}
		s.send(frame)
		s.expectError("z", "not_in_room")
	}
	s.send(map[string]any{"type": "leave", "id": "last", "room": two.ID})
	s.expect("left")
	s.say("nowhere", "x")
	s.expectError("nowhere", "not_in_room")
	s.send(map[string]any{"type": "join", "id": "back", "room": one.ID})
	if got := s.expect("joined"); len(got.Messages) != 1 {
		t.Errorf("got %+v, want the message that was not heard", got)
	}
}

// TestFramesBehindAJoinWaitForIt sends everything at once: what follows a join
// is worked on when the join is done, in its order.
func TestFramesBehindAJoinWaitForIt(t *testing.T) {
	ada := newPerson(t, "Ada")
	one, two := ada.newRoom(), ada.newRoom()
	conn, _, err := ada.dial(one, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := ada.use(conn)
	s.send(map[string]any{"type": "send", "id": "a", "text": "first"})
	s.send(map[string]any{"type": "join", "id": "j", "room": two.ID})
	s.send(map[string]any{"type": "send", "id": "b", "room": two.ID, "text": "second"})
	s.send(map[string]any{"type": "leave", "id": "l", "room": two.ID})
	s.send(map[string]any{"type": "send", "id": "c", "room": two.ID, "text": "third"})
	var joins, acks []string
	for len(joins)+len(acks) < 6 {
		switch f := s.next(); f.Type {
		case "joined", "left", "error":
			joins = append(joins, f.Type+f.ID)
		case "ack":
			acks = append(acks, f.Type+f.ID)
		}
	}
	if fmt.Sprint(joins) != "[joined joinedj leftl errorc]" || fmt.Sprint(acks) != "[acka ackb]" {
		t.Errorf("got %v and %v, want the frames worked on in their order", joins, acks)
	}
}
