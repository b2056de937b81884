package contract

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestPostingAMessage(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	listener := newPerson(t, "Bob").join(r)
	before := time.Now().UnixMilli()
	first := ada.say(r, "one", "hello")
	second := ada.say(r, "two", "again")
	if first.Seq != 1 || second.Seq != 2 || first.Epoch < 1 || second.Epoch != first.Epoch {
		t.Errorf("got (%d, %d) and (%d, %d), want seq 1 and 2 of one epoch", first.Epoch, first.Seq, second.Epoch, second.Seq)
	}
	if first.Timestamp < before-1000 || second.Timestamp < first.Timestamp || second.Timestamp > time.Now().UnixMilli()+1000 {
		t.Errorf("got timestamps %d and %d, want them in order and about %d", first.Timestamp, second.Timestamp, before)
	}
	for _, want := range []message{first, second} {
		if got := listener.expect("message").message; got != want {
			t.Errorf("got live %+v, want %+v", got, want)
		}
	}
	var got page
	if ada.get(r.path("/messages")).ok(http.StatusOK, &got); fmt.Sprint(got.Messages) != fmt.Sprint([]message{first, second}) || got.Epoch != first.Epoch {
		t.Errorf("got page %+v, want %+v and %+v in epoch %d", got, first, second, first.Epoch)
	}
}

func TestPostingIsIdempotent(t *testing.T) {
	ada, bob := newPerson(t, "Ada"), newPerson(t, "Bob")
	r, other := ada.newRoom(), ada.newRoom()
	first := ada.say(r, "same", "hello")
	var again struct {
		message
		Duplicate bool
	}
	for range 3 {
		ada.post(r.path("/messages"), map[string]string{"id": "same", "text": "hello"}).ok(http.StatusCreated, &again)
		if !again.Duplicate || again.Seq != first.Seq || again.Epoch != first.Epoch || again.Timestamp != first.Timestamp {
			t.Errorf("got %+v the second time, want the first answer %+v with duplicate", again, first)
		}
	}
	ada.post(r.path("/messages"), map[string]string{"id": "same", "text": "another"}).refused(http.StatusConflict, "id_conflict")
	if m := bob.say(r, "same", "by another user"); m.Seq != 2 {
		t.Errorf("got seq %d for another user's message of the same id, want 2", m.Seq)
	}
	if m := ada.say(other, "same", "in another room"); m.Seq != 1 {
		t.Errorf("got seq %d for the same id in another room, want 1", m.Seq)
	}
	var got page
	if ada.get(r.path("/messages")).ok(http.StatusOK, &got); len(got.Messages) != 2 {
		t.Errorf("got %+v stored, want two messages", got.Messages)
	}
}

// texts are what a message may say and what not; used by HTTP and WebSocket.
var texts = []struct{ name, id, text, code string }{
	{"a letter", "t1", "x", ""},
	{"4,096 bytes", "t2", strings.Repeat("x", 4096), ""},
	{"1,024 characters of four bytes", "t3", strings.Repeat("😀", 1024), ""},
	{"newlines, tabs and NUL", "t4", "a\n\tb\x00c\u007f", ""},
	{"line separators and markup", "t5", "\u2028\u2029</script>&\\\"", ""},
	{"white space alone", "t6", " \n\t\u00a0", "empty_text"},
	{"not in NFC", "t7", "e\u0301", ""},
	{"an id of 64 characters", strings.Repeat("😀", 64), "x", ""},
	{"4,097 bytes", "t8", strings.Repeat("x", 4097), "text_too_long"},
	{"4,097 bytes in 1,025 characters", "t9", strings.Repeat("😀", 1024) + "x", "text_too_long"},
	{"no text", "t10", "", "empty_text"},
	{"no id", "", "x", "invalid_id"},
	{"an id of 65 characters", strings.Repeat("x", 65), "x", "invalid_id"},
}

func TestTextsByHTTP(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	var stored []string
	for _, row := range texts {
		t.Run(row.name, func(t *testing.T) {
			a := request{method: "POST", path: r.path("/messages"), token: ada.Token, body: map[string]string{"id": row.id, "text": row.text}}.do(t)
			if row.code != "" {
				a.refused(http.StatusBadRequest, row.code)
				return
			}
			a.ok(http.StatusCreated, nil)
			stored = append(stored, row.text)
		})
	}
	var got page
	ada.get(r.path("/messages")).ok(http.StatusOK, &got)
	for i, m := range got.Messages {
		if m.Text != stored[i] || m.Seq != int64(i+1) {
			t.Errorf("got seq %d %.40q, want seq %d %.40q: what is refused takes no seq", m.Seq, m.Text, i+1, stored[i])
		}
	}
}

func TestWhoMayReadAndPost(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	missing := room{ID: r.ID + 1_000_000}
	for _, row := range []struct{ method, below, body string }{
		{"GET", "/messages", ""},
		{"POST", "/messages", `{"id":"x","text":"x"}`},
		{"GET", "/messages/search?q=x", ""},
	} {
		t.Run(row.method+" "+row.below, func(t *testing.T) {
			ask := request{method: row.method, path: r.path(row.below)}
			if row.body != "" {
				ask.body = row.body
			}
			ask.do(t).refused(http.StatusUnauthorized, "unauthorized")
			ask.path, ask.token = missing.path(row.below), ada.Token
			ask.do(t).refused(http.StatusNotFound, "no_such_room")
		})
	}
	request{method: "GET", path: "/v1/messages/search?q=x"}.do(t).refused(http.StatusUnauthorized, "unauthorized")
}

func TestPagesOfMessages(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	var empty page
	if ada.get(r.path("/messages")).ok(http.StatusOK, &empty); len(empty.Messages) != 0 || empty.Next != nil {
		t.Errorf("got %+v of a new room, want no messages and no next", empty)
	}
	const total = 130
	all := ada.sayMany(r, total)
	for _, row := range []struct {
		query    string
		from, to int64 // seqs, both inclusive
		next     int64 // 0: null
	}{
		{"", 81, 130, 81},
		{"limit=500", 1, 130, 0},
		{"limit=130", 1, 130, 0},
		{"limit=129", 2, 130, 2},
		{"before=81", 31, 80, 31},
		{"before=31", 1, 30, 0},
		{"before=51&limit=50", 1, 50, 0},
		{"before=1", 0, -1, 0},
		{"before=2", 1, 1, 0},
		{"before=1000000&limit=2", 129, 130, 129},
		{"after=0", 1, 50, 50},
		{"after=0&limit=1", 1, 1, 1},
		{"after=80", 81, 130, 0},
		{"after=79", 80, 129, 129},
		{"after=130", 0, -1, 0},
		{"after=9007199254740991", 0, -1, 0},
	} {
		t.Run(row.query, func(t *testing.T) {
			var got page
			request{method: "GET", path: r.path("/messages?" + row.query), token: ada.Token}.do(t).ok(http.StatusOK, &got)
			var want []message
			if row.to >= row.from {
				want = all[row.from-1 : row.to]
			}
			if fmt.Sprint(got.Messages) != fmt.Sprint(want) {
				t.Errorf("got %d messages %+v, want seq %d to %d", len(got.Messages), got.Messages, row.from, row.to)
			}
			if next := deref(got.Next); next != row.next {
				t.Errorf("got next %d, want %d", next, row.next)
			}
		})
	}
}

// deref is the number or 0 for null.
func deref(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}
