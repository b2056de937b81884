package wire_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

func TestParseClientFrameAccepts(t *testing.T) {
	since := &bw.Position{Epoch: 1767225600000, Seq: 41}
	for _, row := range []struct {
		name, payload string
		want          wire.ClientFrame
	}{
		{"join", `{"type":"join","id":"a","room":7}`, wire.ClientFrame{Type: "join", ID: "a", Room: 7}},
		{
			"join with since", `{"type":"join","id":"a","room":7,"since":{"epoch":1767225600000,"seq":41}}`,
			wire.ClientFrame{Type: "join", ID: "a", Room: 7, Since: since},
		},
		{
			"since with its fields the other way round", `{"since":{"seq":41,"epoch":1767225600000},"room":7,"id":"a","type":"join"}`,
			wire.ClientFrame{Type: "join", ID: "a", Room: 7, Since: since},
		},
		{
			"since before the first message", `{"type":"join","id":"a","room":7,"since":{"epoch":0,"seq":0}}`,
			wire.ClientFrame{Type: "join", ID: "a", Room: 7, Since: &bw.Position{}},
		},
		{"leave", `{"type":"leave","id":"a","room":7}`, wire.ClientFrame{Type: "leave", ID: "a", Room: 7}},
		{"leave the only room", `{"type":"leave","id":"a"}`, wire.ClientFrame{Type: "leave", ID: "a"}},
		{"send", `{"type":"send","id":"a","text":"hi"}`, wire.ClientFrame{Type: "send", ID: "a", Text: "hi"}},
		{"send into a room", `{"type":"send","id":"a","room":7,"text":"hi"}`, wire.ClientFrame{Type: "send", ID: "a", Room: 7, Text: "hi"}},
		{
			"white space in all places", " \t\r\n{ \"type\" : \"send\" ,\n\"id\" :\t\"a\" , \"room\" : 7\r,\"text\":\" hi \" }\n",
			wire.ClientFrame{Type: "send", ID: "a", Room: 7, Text: " hi "},
		},
		{
			"escapes in names and values", `{"\u0074ype":"s\u0065nd","id":"\"\\","text":"a\n\/\ud83d\ude00\u0000"}`,
			wire.ClientFrame{Type: "send", ID: `"\`, Text: "a\n/😀\x00"},
		},
		{
			"brackets within strings", `{"type":"send","id":"}],","text":"{[\"]}"}`,
			wire.ClientFrame{Type: "send", ID: "}],", Text: `{["]}`},
		},
		{
			"an id of 64 characters of four bytes", `{"type":"send","id":"` + strings.Repeat("😀", 64) + `","text":"x"}`,
			wire.ClientFrame{Type: "send", ID: strings.Repeat("😀", 64), Text: "x"},
		},
		{
			"a text of 4,096 bytes", `{"type":"send","id":"a","text":"` + strings.Repeat("é", 2048) + `"}`,
			wire.ClientFrame{Type: "send", ID: "a", Text: strings.Repeat("é", 2048)},
		},
		{"typing", `{"type":"typing"}`, wire.ClientFrame{Type: "typing"}},
		{"typing in a room", `{"type":"typing","room":7}`, wire.ClientFrame{Type: "typing", Room: 7}},
		{"the newest page", `{"type":"history","id":"a"}`, wire.ClientFrame{Type: "history", ID: "a"}},
		{
			"a page before", `{"type":"history","id":"a","room":7,"before":9,"limit":500}`,
			wire.ClientFrame{Type: "history", ID: "a", Room: 7, Before: 9, Limit: 500},
		},
		{"a page after", `{"type":"history","id":"a","after":9,"limit":1}`, wire.ClientFrame{Type: "history", ID: "a", After: 9, Limit: 1}},
		{"a page from the start", `{"type":"history","id":"a","after":0}`, wire.ClientFrame{Type: "history", ID: "a", After: wire.FromStart}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := wire.ParseClientFrame([]byte(row.payload))
			if err != nil {
				t.Fatalf("got %v, want the frame", err)
			}
			if !reflect.DeepEqual(got, row.want) {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
		})
	}
}

func TestParseClientFrameRefuses(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, row := range []struct {
		name, payload string
		kind          bw.Kind
		id            string // "" where it cannot be read
	}{
		{"nothing", ``, bw.BadJSON, ""},
		{"white space", " \n", bw.BadJSON, ""},
		{"no JSON", `hello`, bw.BadJSON, ""},
		{"no object", `["id","a"]`, bw.BadJSON, ""},
		{"null", `null`, bw.BadJSON, ""},
		{"a string that looks like one", `"{\"id\":\"a\"}"`, bw.BadJSON, ""},
		{"deep nesting", strings.Repeat(`[`, 16000), bw.BadJSON, ""},
		{"cut off", `{"type":"send","id":"a","text":"x"`, bw.BadJSON, "a"},
		{"cut off in the id", `{"type":"send","id":"a`, bw.BadJSON, ""},
		{"something behind it", `{"type":"send","id":"a","text":"x"}{}`, bw.BadJSON, "a"},
		{"a trailing comma", `{"type":"send","id":"a",}`, bw.BadJSON, "a"},
		{"a comment", `{"id":"a",/**/"type":"send"}`, bw.BadJSON, "a"},
		{"single quotes", `{'type':'send'}`, bw.BadJSON, ""},
		{"a byte order mark", "\ufeff" + `{"type":"typing"}`, bw.BadJSON, ""},
		{"a name twice", `{"type":"send","id":"a","text":"x","text":"y"}`, bw.BadJSON, "a"},
		{"the id twice", `{"type":"send","id":"a","text":"x","id":"b"}`, bw.BadJSON, "a"},
		{"a name twice, once escaped", `{"id":"a","type":"send","text":"x","te\u0078t":"y"}`, bw.BadJSON, "a"},
		{"a lone surrogate before the id", `{"text":"\ud800","id":"a","type":"send"}`, bw.BadJSON, "a"},
		{"a lone low surrogate", `{"type":"send","id":"a","text":"\udc00"}`, bw.BadJSON, "a"},
		{"broken UTF-8", "{\"type\":\"send\",\"id\":\"a\",\"text\":\"\xff\"}", bw.BadJSON, "a"},
		{"a surrogate in UTF-8", "{\"type\":\"send\",\"id\":\"a\",\"text\":\"\xed\xa0\x80\"}", bw.BadJSON, "a"},
		{"a raw control character", "{\"type\":\"send\",\"id\":\"a\",\"text\":\"\n\"}", bw.BadJSON, "a"},

		{"no type", `{"id":"a"}`, bw.UnknownType, "a"},
		{"an empty object", `{}`, bw.UnknownType, ""},
		{"an unknown type", `{"type":"dance","id":"a"}`, bw.UnknownType, "a"},
		{"a type in capitals", `{"type":"SEND","id":"a","text":"x"}`, bw.UnknownType, "a"},
		{"a server's type", `{"type":"ack","id":"a"}`, bw.UnknownType, "a"},
		{"a long type", `{"type":"` + long + `","id":"a"}`, bw.UnknownType, "a"},
		{"a type that is no string", `{"type":1,"id":"a"}`, bw.BadJSON, "a"},

		{"an unknown field", `{"type":"send","id":"a","text":"x","colour":{"a":[1,"}"]}}`, bw.UnknownField, "a"},
		{"an unknown field before the id", `{"x":1,"type":"send","id":"a","text":"x"}`, bw.UnknownField, "a"},
		{"a long unknown field", `{"type":"send","id":"a","` + long + `":1}`, bw.UnknownField, "a"},
		{"a field in capitals", `{"type":"send","id":"a","Text":"x"}`, bw.UnknownField, "a"},
		{"an empty field", `{"type":"typing","":1}`, bw.UnknownField, ""},
		{"a text in a join", `{"type":"join","id":"a","room":1,"text":"x"}`, bw.UnknownField, "a"},
		{"a since in a send", `{"type":"send","id":"a","text":"x","since":{"epoch":1,"seq":1}}`, bw.UnknownField, "a"},
		{"a limit in a leave", `{"type":"leave","id":"a","limit":1}`, bw.UnknownField, "a"},
		{"an id in typing", `{"type":"typing","id":"a"}`, bw.UnknownField, "a"},
		{"a third field in since", `{"type":"join","id":"a","room":1,"since":{"epoch":1,"seq":1,"x":1}}`, bw.UnknownField, "a"},

		{"no id", `{"type":"send","text":"x"}`, bw.InvalidID, ""},
		{"no id in a join", `{"type":"join","room":1}`, bw.InvalidID, ""},
		{"an empty id", `{"type":"send","id":"","text":"x"}`, bw.InvalidID, ""},
		{"an id of 65 characters", `{"type":"send","id":"` + strings.Repeat("é", 65) + `","text":"x"}`, bw.InvalidID, strings.Repeat("é", 65)},
		{"an id with a control character", `{"type":"send","id":"a\u0007","text":"x"}`, bw.InvalidID, "a\a"},
		{"an id with a C1 control character", `{"type":"send","id":"a\u0085","text":"x"}`, bw.InvalidID, "a\u0085"},
		{"an id that is a number", `{"type":"send","id":1,"text":"x"}`, bw.BadJSON, ""},
		{"an id that is null", `{"type":"send","id":null,"text":"x"}`, bw.BadJSON, ""},

		{"no room in a join", `{"type":"join","id":"a"}`, bw.BadJSON, "a"},
		{"room 0", `{"type":"send","id":"a","room":0,"text":"x"}`, bw.NoSuchRoom, "a"},
		{"room -0", `{"type":"send","id":"a","room":-0,"text":"x"}`, bw.NoSuchRoom, "a"},
		{"a negative room", `{"type":"leave","id":"a","room":-3}`, bw.NoSuchRoom, "a"},
		{"a room as a string", `{"type":"leave","id":"a","room":"3"}`, bw.BadJSON, "a"},
		{"a room with a fraction", `{"type":"leave","id":"a","room":3.0}`, bw.BadJSON, "a"},
		{"a room with an exponent", `{"type":"leave","id":"a","room":3e0}`, bw.BadJSON, "a"},
		{"a room beyond 64 bits", `{"type":"leave","id":"a","room":9223372036854775808}`, bw.BadJSON, "a"},
		{"a room that is null", `{"type":"leave","id":"a","room":null}`, bw.BadJSON, "a"},

		{"no text", `{"type":"send","id":"a"}`, bw.EmptyText, "a"},
		{"an empty text", `{"type":"send","id":"a","text":""}`, bw.EmptyText, "a"},
		{"a text of white space", `{"type":"send","id":"a","text":" \t\u00a0\u2003\n"}`, bw.EmptyText, "a"},
		{"a text of 4,097 bytes", `{"type":"send","id":"a","text":"` + strings.Repeat("é", 2048) + `x"}`, bw.TextTooLong, "a"},
		{"a text that is a number", `{"type":"send","id":"a","text":5}`, bw.BadJSON, "a"},
		{"a text that is null, before the id", `{"type":"send","text":null,"id":"a"}`, bw.BadJSON, "a"},

		{"since without seq", `{"type":"join","id":"a","room":1,"since":{"epoch":1}}`, bw.BadJSON, "a"},
		{"since without epoch", `{"type":"join","id":"a","room":1,"since":{"seq":1}}`, bw.BadJSON, "a"},
		{"an empty since", `{"type":"join","id":"a","room":1,"since":{}}`, bw.BadJSON, "a"},
		{"since as a number", `{"type":"join","id":"a","room":1,"since":5}`, bw.BadJSON, "a"},
		{"since as null", `{"type":"join","id":"a","room":1,"since":null}`, bw.BadJSON, "a"},
		{"a negative seq", `{"type":"join","id":"a","room":1,"since":{"epoch":1,"seq":-1}}`, bw.BadJSON, "a"},
		{"an epoch with a fraction", `{"type":"join","id":"a","room":1,"since":{"epoch":1.5,"seq":1}}`, bw.BadJSON, "a"},

		{"before and after", `{"type":"history","id":"a","before":5,"after":1}`, bw.BadQuery, "a"},
		{"before 0", `{"type":"history","id":"a","before":0}`, bw.BadQuery, "a"},
		{"after -1", `{"type":"history","id":"a","after":-1}`, bw.BadQuery, "a"},
		{"limit 0", `{"type":"history","id":"a","limit":0}`, bw.BadQuery, "a"},
		{"limit 501", `{"type":"history","id":"a","limit":501}`, bw.BadQuery, "a"},
		{"a limit as a string", `{"type":"history","id":"a","limit":"5"}`, bw.BadJSON, "a"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := wire.ParseClientFrame([]byte(row.payload))
			wantKind(t, err, row.kind)
			if got.ID != row.id {
				t.Errorf("got the id %q, want %q", got.ID, row.id)
			}
			if detail := err.Error(); len(detail) > 512 {
				t.Errorf("got a detail of %d bytes, want one that can be read: %.80s…", len(detail), detail)
			}
		})
	}
}

func TestParseClientFrameKeepsNothingOfTheBuffer(t *testing.T) {
	payload := []byte(`{"type":"send","id":"abc","text":"hello"}`)
	frame, err := wire.ParseClientFrame(payload)
	if err != nil {
		t.Fatal(err)
	}
	clear(payload)
	if got, want := fmt.Sprint(frame.Type, frame.ID, frame.Text), "sendabchello"; got != want {
		t.Errorf("got %q after the buffer was reused, want %q", got, want)
	}
}

func TestConfiguredTextLimit(t *testing.T) {
	frame := func(n int) []byte {
		return fmt.Appendf(nil, `{"type":"send","id":"a","text":"%s"}`, strings.Repeat("x", n))
	}
	for _, row := range []struct {
		limit, length int
		want          bw.Kind
	}{
		{10, 10, ""},
		{10, 11, bw.TextTooLong},
		{0, 1 << 20, ""}, // switched off
	} {
		limits := wire.DefaultLimits()
		limits.MaxText = row.limit
		_, err := limits.ParseClientFrame(frame(row.length))
		if got := bw.KindOf(err); got != row.want {
			t.Errorf("limit %d, %d bytes: got %q, want %q", row.limit, row.length, got, row.want)
		}
	}
}
