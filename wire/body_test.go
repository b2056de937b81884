package wire_test

import (
	"strings"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

func TestDecodeBody(t *testing.T) {
	var got wire.SignUp
	if err := wire.DecodeBody([]byte(" {\"password\":\"s\\u00e9same\",\n\"name\":\"Ada\"} "), &got); err != nil {
		t.Fatalf("got %v, want the body", err)
	}
	if got.Name != "Ada" || got.Password == nil || *got.Password != "sésame" {
		t.Errorf("got %+v, want Ada and sésame", got)
	}
	for _, body := range []string{`{"name":"Ada"}`, `{"name":"Ada","password":null}`} {
		got = wire.SignUp{}
		if err := wire.DecodeBody([]byte(body), &got); err != nil || got.Password != nil {
			t.Errorf("%s: got the password %v (%v), want none", body, got.Password, err)
		}
	}
}

func TestDecodeBodyRefuses(t *testing.T) {
	for _, row := range []struct {
		name, body string
		kind       bw.Kind
		detail     string // a part of it
	}{
		{"nothing", ``, bw.BadJSON, "no JSON"},
		{"null", `null`, bw.BadJSON, "object"},
		{"a list", `[]`, bw.BadJSON, "object"},
		{"a form", `name=Ada`, bw.BadJSON, "byte"},
		{"cut off", `{"name":"Ada"`, bw.BadJSON, "byte"},
		{"something behind it", `{"name":"Ada"}]`, bw.BadJSON, "JSON"},
		{"a second object", `{"name":"Ada"} {"name":"Eve"}`, bw.BadJSON, "behind"},
		{"a name twice", `{"name":"Ada","name":"Eve"}`, bw.BadJSON, "duplicate"},
		{"a wrong type", `{"name":["Ada"]}`, bw.BadJSON, `"name"`},
		{"a lone surrogate", `{"name":"\udead"}`, bw.BadJSON, "surrogate"},
		{"broken UTF-8", "{\"name\":\"\xc0\xaf\"}", bw.BadJSON, "UTF-8"},
		{"a field that is not known", `{"name":"Ada","admin":true}`, bw.UnknownField, `"admin"`},
		{"another case", `{"NAME":"Ada"}`, bw.UnknownField, `"NAME"`},
		{"broken behind an unknown field", `{"admin":true,`, bw.BadJSON, "byte"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var into wire.SignUp
			err := wire.DecodeBody([]byte(row.body), &into)
			wantKind(t, err, row.kind)
			if !strings.Contains(err.Error(), row.detail) {
				t.Errorf("got %v, want a detail with %q", err, row.detail)
			}
		})
	}
}

func TestEncodeBodyHasNoNullLists(t *testing.T) {
	for _, row := range []struct {
		body any
		want string
	}{
		{wire.RoomList{}, `{"chatrooms":[],"next":null}`},
		{wire.UserList{}, `{"count":0,"users":[],"next":null}`},
		{wire.MessagePage{}, `{"epoch":0,"messages":[],"next":null}`},
		{wire.SearchHits{}, `{"hits":[],"total":0,"cursor":null}`},
		{wire.CreatedRoom{Name: "<b>\u2028\xff"}, `{"id":0,"name":"<b>\u2028` + "\ufffd" + `","created_at":0}`},
	} {
		got, err := wire.EncodeBody(row.body)
		if err != nil || string(got) != row.want {
			t.Errorf("got %s (%v), want %s", got, err, row.want)
		}
	}
}
