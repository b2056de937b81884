package wire_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/unicode/norm"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

func FuzzParseClientFrame(f *testing.F) {
	for _, seed := range []string{
		`{"type":"join","id":"a","room":7,"since":{"epoch":1767225600000,"seq":41}}`,
		`{"type":"leave","id":"a","room":7}`,
		`{"type":"send","id":"a","room":7,"text":"h\u0069 \ud83d\ude00 \"x\" \\"}`,
		`{"type":"typing","room":7}`,
		`{"type":"history","id":"a","room":7,"before":9,"limit":500}`,
		`{"type":"history","id":"a","after":0}`,
		` { "type" : "send" , "id" : "}" , "text" : "[{" } `,
		`{"type":"send","id":"a","text":"\ud800"}`,
		`{"type":"send","id":"a","id":"b"}`,
		`{"x":[[{"y":"]"}],-1.5e+9,true,null],"id":"a"}`,
		`{"type":"send","id":"a"`, `{}`, `[]`, `nul`, "{\"id\":\"\xff\"}", "\ufeff{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		frame, err := wire.ParseClientFrame(payload)
		if err != nil {
			checkRefusal(t, payload, frame, err)
			return
		}
		checkFrame(t, payload, frame)
	})
}

// checkRefusal: a refusal has a code that the contract has for a frame, and an
// error frame that is JSON can be made of it.
func checkRefusal(t *testing.T, payload []byte, frame wire.ClientFrame, err error) {
	switch bw.KindOf(err) {
	case bw.BadJSON, bw.UnknownType, bw.UnknownField, bw.InvalidID, bw.NoSuchRoom, bw.EmptyText, bw.TextTooLong, bw.BadQuery:
	default:
		t.Fatalf("%q: got %v, want a kind that a frame may be refused with", payload, err)
	}
	if answer := wire.AppendError(nil, frame.ID, err); !jsontext.Value(answer).IsValid() {
		t.Fatalf("%q: got the answer %q, want JSON", payload, answer)
	}
	if !jsontext.Value(payload).IsValid() && bw.KindOf(err) != bw.BadJSON {
		t.Fatalf("%q: got %v for what is no JSON", payload, err)
	}
}

// checkFrame: what was accepted is what another parser reads.
func checkFrame(t *testing.T, payload []byte, frame wire.ClientFrame) {
	var other struct {
		Type   string
		ID     string
		Room   bw.RoomID
		Since  *bw.Position
		Text   string
		Before bw.Seq
		After  *bw.Seq
		Limit  int
	}
	if err := json.Unmarshal(payload, &other); err != nil {
		t.Fatalf("%q: got it accepted, encoding/json says %v", payload, err)
	}
	var after bw.Seq
	if other.After != nil {
		if after = *other.After; after == 0 {
			after = wire.FromStart
		}
	}
	since := func(p *bw.Position) bw.Position {
		if p == nil {
			return bw.Position{Epoch: -1}
		}
		return *p
	}
	if frame.Type != other.Type || frame.ID != other.ID || frame.Room != other.Room || frame.Text != other.Text ||
		frame.Before != other.Before || frame.After != after || frame.Limit != other.Limit || since(frame.Since) != since(other.Since) {
		t.Fatalf("%q: got %+v, encoding/json reads %+v", payload, frame, other)
	}
	if !utf8.ValidString(frame.Text) || !utf8.ValidString(frame.ID) || len(frame.Text) > wire.MaxText {
		t.Fatalf("%q: got %+v, want strings within the limits", payload, frame)
	}
}

func FuzzParseName(f *testing.F) {
	for _, seed := range []string{"Ada", "Åsa", "A\u030asa", "港", "👩‍🚀", " Ada", "Ada\t", "", "a\x00b", "\xff", "ﬁ", "\u2028", "\u1100\u1161\u11a8", "\u0344"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, err := wire.ParseName(text)
		if err != nil {
			if got := bw.KindOf(err); got != bw.InvalidName {
				t.Fatalf("%q: got %v, want invalid_name", text, err)
			}
			return
		}
		if err := name.Validate(); err != nil {
			t.Fatalf("%q: got the name %q that is none: %v", text, name, err)
		}
		if !norm.NFC.IsNormalString(string(name)) {
			t.Fatalf("%q: got %q, want it in NFC", text, name)
		}
		if again, err := wire.ParseName(string(name)); err != nil || again != name {
			t.Fatalf("%q: got %q (%v) the second time, want %q again", text, again, err, name)
		}
	})
}

func FuzzDecodeBody(f *testing.F) {
	for _, seed := range []string{
		`{"name":"Ada","password":"correct horse"}`, `{"name":"Ada","password":null}`, `{"name":"Ada"}`, `{"Name":"Ada"}`,
		`{"name":"Ada","name":"Eve"}`, `{"name":"Ada"} x`, `{"name":1}`, `{"name":"\ud800"}`, `{"other":[1,{}]}`, `null`, `[]`, ``, `{`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, other wire.SignUp
		err := wire.DecodeBody(body, &got)
		if err != nil {
			if kind := bw.KindOf(err); kind != bw.BadJSON && kind != bw.UnknownField {
				t.Fatalf("%q: got %v, want bad_json or unknown_field", body, err)
			}
			return
		}
		if err := json.Unmarshal(body, &other); err != nil {
			t.Fatalf("%q: got it accepted, encoding/json says %v", body, err)
		}
		if got.Name != other.Name || (got.Password == nil) != (other.Password == nil) || got.Password != nil && *got.Password != *other.Password {
			t.Fatalf("%q: got %+v, encoding/json reads %+v", body, got, other)
		}
	})
}
