package contract

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestSending(t *testing.T) {
	ada, bob := newPerson(t, "Ada"), newPerson(t, "Bob")
	r := ada.newRoom()
	sender, other := ada.join(r), bob.join(r)
	before := time.Now().UnixMilli()
	sender.say("one", "hello")
	ack, own := sender.expectBoth("ack", "message")
	want := message{Room: r.ID, Epoch: sender.joined.Epoch, Seq: 1, ID: "one", User: ada.Name, Text: "hello", Timestamp: own.Timestamp}
	if own.message != want || own.Timestamp < before-1000 || own.Timestamp > time.Now().UnixMilli()+1000 {
		t.Errorf("got %+v, want %+v at about %d", own.message, want, before)
	}
	if ack.ID != "one" || ack.Room != r.ID || ack.Epoch != own.Epoch || ack.Seq != 1 || ack.Timestamp != own.Timestamp || ack.Duplicate {
		t.Errorf("got ack %+v, want one of %+v", ack, own)
	}
	if got := other.expect("message").message; got != own.message {
		t.Errorf("got %+v at the other, want %+v", got, own.message)
	}
}

func TestSendingIsIdempotent(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	s := ada.join(r)
	s.say("same", "hello")
	first, _ := s.expectBoth("ack", "message")
	again := func(s *socket) {
		t.Helper()
		s.say("same", "hello")
		ack := s.expect("ack")
		if !ack.Duplicate || ack.Seq != first.Seq || ack.Epoch != first.Epoch || ack.Timestamp != first.Timestamp || ack.ID != "same" {
			t.Errorf("got %+v the second time, want the first ack %+v with duplicate", ack, first)
		}
		s.nothing(r)
	}
	again(s)
	again(ada.join(r)) // on another connection
	s.say("same", "another text")
	s.expectError("same", "id_conflict")
	var posted struct{ Duplicate bool }
	ada.post(r.path("/messages"), map[string]string{"id": "same", "text": "hello"}).ok(201, &posted)
	if !posted.Duplicate {
		t.Error("got the id stored again by HTTP, want a duplicate")
	}

	// Both at once are one, too.
	t.Run("at the same moment", func(t *testing.T) {
		p := *ada
		p.T = t
		one, two := p.join(r), p.join(r)
		for i := range 50 {
			id := fmt.Sprint("race ", i)
			one.say(id, "x")
			two.say(id, "x")
			a, m := one.expectBoth("ack", "message")
			b, _ := two.expectBoth("ack", "message")
			if a.Seq != m.Seq || b.Seq != m.Seq || a.Duplicate == b.Duplicate {
				t.Errorf("got acks %+v and %+v of message %d, want one seq and one duplicate", a, b, m.Seq)
			}
		}
	})
}

func TestTextsByWebSocket(t *testing.T) {
	ada := newPerson(t, "Ada")
	s := ada.join(ada.newRoom())
	seq := int64(0)
	for _, row := range texts {
		t.Run(row.name, func(t *testing.T) {
			if row.code != "" {
				s.sendRaw(fmt.Sprintf(`{"type":"send","id":%s,"text":%s}`, quote(row.id), quote(row.text)))
				s.expectError(row.id, row.code)
				return
			}
			s.say(row.id, row.text)
			seq++
			ack, m := s.expectBoth("ack", "message")
			if m.Text != row.text || m.Seq != seq || ack.Seq != seq || m.ID != row.id || ack.ID != row.id {
				t.Errorf("got seq %d with id %q and text %.40q, want seq %d, %q and %.40q", m.Seq, m.ID, m.Text, seq, row.id, row.text)
			}
		})
	}
}

func TestBadFrames(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	s := ada.join(r)
	for _, row := range []struct{ name, payload, id, code string }{
		{"nothing", "", "", "bad_json"},
		{"no JSON", "hello", "", "bad_json"},
		{"cut off", `{"type":"send","id":"x"`, "x", "bad_json"},
		{"an array", `[{"type":"typing"}]`, "", "bad_json"},
		{"a string", `"typing"`, "", "bad_json"},
		{"two objects", `{"type":"typing"}{"type":"typing"}`, "", "bad_json"},
		{"a field twice", `{"type":"send","id":"x","text":"a","text":"b"}`, "x", "bad_json"},
		{"no type", `{"id":"x","text":"a"}`, "x", "unknown_type"},
		{"a type that is none", `{"type":"shout","id":"x"}`, "x", "unknown_type"},
		{"a type of the server's", `{"type":"message","id":"x"}`, "x", "unknown_type"},
		{"a type in another case", `{"type":"Send","id":"x","text":"a"}`, "x", "unknown_type"},
		{"a type that is no string", `{"type":1,"id":"x"}`, "x", "bad_json"},
		{"an unknown field", `{"type":"send","id":"x","text":"a","colour":"red"}`, "x", "unknown_field"},
		{"a field of another type", `{"type":"send","id":"x","text":"a","limit":1}`, "x", "unknown_field"},
		{"an id that is a number", `{"type":"send","id":1,"text":"a"}`, "", "bad_json"},
		{"no id", `{"type":"send","text":"a"}`, "", "invalid_id"},
		{"no text", `{"type":"send","id":"x"}`, "x", "empty_text"},
		{"a text that is a number", `{"type":"send","id":"x","text":1}`, "x", "bad_json"},
		{"a room that is a string", `{"type":"send","id":"x","room":"1","text":"a"}`, "x", "bad_json"},
		{"a room that is a fraction", `{"type":"send","id":"x","room":1.5,"text":"a"}`, "x", "bad_json"},
		{"a join without a room", `{"type":"join","id":"x"}`, "x", "bad_json"},
		{"half a position", `{"type":"join","id":"x","room":1,"since":{"seq":1}}`, "x", "bad_json"},
		{"half a surrogate pair", `{"type":"send","id":"x","text":"\ud800"}`, "x", "bad_json"},
		{"a page with two ends", `{"type":"history","id":"x","before":1,"after":1}`, "x", "bad_query"},
		{"a page of none", `{"type":"history","id":"x","limit":0}`, "x", "bad_query"},
		{"a page of too many", `{"type":"history","id":"x","limit":501}`, "x", "bad_query"},
		{"nested deeper than any", strings.Repeat("[", 10_000), "", "bad_json"},
		{"16 KiB", `{"type":"send","id":"x","text":"` + strings.Repeat("x", 16<<10-35) + `"}`, "x", "text_too_long"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.sendRaw(row.payload)
			if f := s.expectError(row.id, row.code); f.Detail == "" {
				t.Error("got no detail, want one for people to read")
			}
			s.nothing(r) // the connection stays, and is of use
		})
	}
}

func TestHistoryFrames(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	all := ada.sayMany(r, 70)
	s := ada.join(r)
	for _, row := range []struct {
		fields         map[string]any
		from, to, next int64
	}{
		{nil, 21, 70, 21},
		{map[string]any{"limit": 500}, 1, 70, 0},
		{map[string]any{"before": 21}, 1, 20, 0},
		{map[string]any{"before": 70, "limit": 2}, 68, 69, 68},
		{map[string]any{"after": 0, "limit": 2}, 1, 2, 2},
		{map[string]any{"after": 68}, 69, 70, 0},
		{map[string]any{"after": 70}, 0, -1, 0},
		{map[string]any{"room": r.ID, "before": 1}, 0, -1, 0},
	} {
		t.Run(fmt.Sprint(row.fields), func(t *testing.T) {
			ask := map[string]any{"type": "history", "id": "h"}
			for name, value := range row.fields {
				ask[name] = value
			}
			s.send(ask)
			got := s.expect("history")
			var want []message
			if row.to >= row.from {
				want = all[row.from-1 : row.to]
			}
			if got.ID != "h" || got.Room != r.ID || fmt.Sprint(got.Messages) != fmt.Sprint(want) || deref(got.Next) != row.next {
				t.Errorf("got %d messages and next %d, want seq %d to %d and next %d", len(got.Messages), deref(got.Next), row.from, row.to, row.next)
			}
		})
	}
}

// TestOneOrder has many send at once; all must hear the same.
func TestOneOrder(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	const people, each = 8, 50
	var sockets []*socket
	for range people {
		sockets = append(sockets, newPerson(t, "crowd").join(r))
	}
	for i := range each {
		for _, s := range sockets {
			s.say(fmt.Sprint(i), s.who)
		}
	}
	var first []message
	for n, s := range sockets {
		var heard []message
		acks := map[string]int64{}
		for len(heard) < people*each || len(acks) < each {
			switch f := s.next(); f.Type {
			case "message":
				heard = append(heard, f.message)
			case "ack":
				acks[f.ID] = f.Seq
			case "presence":
			default:
				t.Fatalf("got %+v, want messages and acks", f)
			}
		}
		for i, m := range heard {
			if m.Seq != int64(i+1) {
				t.Fatalf("%s: got seq %d as number %d, want each once and in order", s.who, m.Seq, i+1)
			}
			if m.User == s.who && acks[m.ID] != m.Seq {
				t.Errorf("%s: got ack %d for %q, which came as seq %d", s.who, acks[m.ID], m.ID, m.Seq)
			}
		}
		if n == 0 {
			first = heard
		} else if fmt.Sprint(heard) != fmt.Sprint(first) {
			t.Errorf("%s heard other messages than %s", s.who, sockets[0].who)
		}
	}
}
