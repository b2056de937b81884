package wire_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
	"github.com/breakwater-chat/breakwater/wire/wiretest"
)

func newChecker(t *testing.T) *wiretest.Checker {
	t.Helper()
	checker, err := wiretest.NewChecker()
	if err != nil {
		t.Fatalf("the documents do not compile: %v", err)
	}
	return checker
}

func TestOpenAPIIsValid(t *testing.T) {
	document, err := libopenapi.NewDocument(wire.OpenAPI)
	if err != nil {
		t.Fatalf("read openapi.json: %v", err)
	}
	v, failures := validator.NewValidator(document)
	if len(failures) > 0 {
		t.Fatalf("build the model of openapi.json: %v", failures)
	}
	defer v.Release()
	if ok, failures := v.ValidateDocument(); !ok {
		for _, failure := range failures {
			t.Errorf("%s: %s", failure.Message, failure.Reason)
			for _, cause := range failure.SchemaValidationErrors {
				t.Errorf("  %s: %s", cause.FieldPath, cause.Reason)
			}
		}
	}
}

func TestGoldenFramesAreAsDescribed(t *testing.T) {
	checker := newChecker(t)
	described := map[string]bool{}
	for name, frame := range goldenFrames() {
		if err := checker.ServerFrame(frame); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		name, _, _ = strings.Cut(name, "-")
		described[name] = true
	}
	for _, message := range readAsyncAPI(t).messages("sendToClient") {
		if !described[message.Name] {
			t.Errorf("got no golden frame of type %s", message.Name)
		}
	}
}

func TestGoldenResponsesAreAsDescribed(t *testing.T) {
	checker := newChecker(t)
	bodies := goldenBodies(t)
	for _, row := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"POST", "/v1/chatrooms/users", 201, "user-token"},
		{"POST", "/v1/chatrooms/users/login", 200, "user-token"},
		{"POST", "/v1/chatrooms/users/token", 200, "user-token"},
		{"GET", "/v1/chatrooms", 200, "rooms"},
		{"GET", "/v1/chatrooms", 200, "rooms-last"},
		{"POST", "/v1/chatrooms", 201, "created-room"},
		{"GET", "/v1/chatrooms/7", 200, "room"},
		{"GET", "/v1/chatrooms/7/users", 200, "users"},
		{"GET", "/v1/chatrooms/7/users", 200, "users-last"},
		{"GET", "/v1/chatrooms/7/messages", 200, "page"},
		{"GET", "/v1/chatrooms/7/messages", 200, "page-last"},
		{"POST", "/v1/chatrooms/7/messages", 201, "send-ack"},
		{"GET", "/v1/chatrooms/7/messages/search", 200, "hits"},
		{"GET", "/v1/messages/search", 200, "hits-last"},
		{"GET", "/healthz", 200, "health"},
		{"GET", "/readyz", 200, "health"},
	} {
		if err := checker.HTTP(row.method, row.path, row.status, "application/json", bodies[row.body]); err != nil {
			t.Errorf("%s: %v", row.body, err)
		}
	}
	for _, document := range []struct {
		path string
		body []byte
	}{{"/openapi.json", wire.OpenAPI}, {"/asyncapi.json", wire.AsyncAPI}} {
		if err := checker.HTTP("GET", document.path, 200, "application/json", document.body); err != nil {
			t.Error(err)
		}
	}
}

// asyncAPI is what the tests need of the document.
type asyncAPI struct {
	Channels struct {
		Room struct {
			CloseCodes []struct {
				Code                     wire.CloseCode
				Name, Reconnect, Meaning string
			} `json:"x-close-codes"`
		}
	}
	Operations map[string]struct {
		Messages []struct {
			Ref string `json:"$ref"`
		}
	}
	Components struct {
		Messages map[string]asyncMessage
		Schemas  struct {
			Code struct {
				Schema struct {
					OneOf []struct {
						Const bw.Kind
					}
				}
			}
		}
	}
}

type asyncMessage struct {
	Name     string
	Examples []struct{ Payload json.RawMessage }
}

func readAsyncAPI(t *testing.T) (doc asyncAPI) {
	t.Helper()
	if err := json.Unmarshal(wire.AsyncAPI, &doc); err != nil {
		t.Fatalf("read asyncapi.json: %v", err)
	}
	return doc
}

func (d asyncAPI) messages(operation string) (list []asyncMessage) {
	for _, message := range d.Operations[operation].Messages {
		list = append(list, d.Components.Messages[message.Ref[strings.LastIndex(message.Ref, "/")+1:]])
	}
	return list
}

func TestExamplesOfFramesAreAsDescribed(t *testing.T) {
	checker, doc := newChecker(t), readAsyncAPI(t)
	for operation, check := range map[string]func([]byte) error{
		"receiveFromClient": func(payload []byte) error {
			if _, err := wire.ParseClientFrame(payload); err != nil {
				return err
			}
			return checker.ClientFrame(payload)
		},
		"sendToClient": func(payload []byte) error {
			var frame bytes.Buffer
			if err := json.Compact(&frame, payload); err != nil {
				return err
			}
			return checker.ServerFrame(frame.Bytes())
		},
	} {
		messages := doc.messages(operation)
		if len(messages) == 0 {
			t.Errorf("got no messages in %s", operation)
		}
		for _, message := range messages {
			if len(message.Examples) == 0 {
				t.Errorf("%s has no example", message.Name)
			}
			for _, example := range message.Examples {
				if err := check(example.Payload); err != nil {
					t.Errorf("%s: %v", message.Name, err)
				}
			}
		}
	}
}

// What the parser accepts or refuses by its shape, the schemas do as well.
func TestParserAndSchemasAgree(t *testing.T) {
	checker := newChecker(t)
	for _, payload := range []string{
		`{"type":"send","id":"a","text":"x"}`, `{"type":"send","text":"x"}`, `{"type":"send","id":"a"}`, `{"type":"send","id":"","text":"x"}`,
		`{"type":"send","id":"a","text":"x","limit":1}`, `{"type":"send","id":1,"text":"x"}`, `{"type":"send","id":"a","text":""}`,
		`{"type":"join","id":"a"}`, `{"type":"join","id":"a","room":0}`, `{"type":"join","id":"a","room":1,"since":{"epoch":1}}`,
		`{"type":"join","id":"a","room":1,"since":{"epoch":1,"seq":-1}}`, `{"type":"leave","id":"a"}`, `{"type":"leave"}`,
		`{"type":"typing"}`, `{"type":"typing","id":"a"}`, `{"type":"history","id":"a","before":0}`, `{"type":"history","id":"a","after":0}`,
		`{"type":"history","id":"a","limit":501}`, `{"type":"history","id":"a","before":2,"after":1}`, `{"type":"dance"}`, `{}`,
		`{"type":"send","id":"` + strings.Repeat("é", 65) + `","text":"x"}`, `{"type":"send","id":"` + strings.Repeat("é", 64) + `","text":"x"}`,
	} {
		_, parsed := wire.ParseClientFrame([]byte(payload))
		described := checker.ClientFrame([]byte(payload))
		if (parsed == nil) != (described == nil) {
			t.Errorf("%s: the parser says %v, the schema %v", payload, parsed, described)
		}
	}
}

func TestEveryKindIsDescribed(t *testing.T) {
	var described []bw.Kind
	for _, code := range readAsyncAPI(t).Components.Schemas.Code.Schema.OneOf {
		described = append(described, code.Const)
	}
	var open struct {
		Components struct {
			Schemas struct{ Code struct{ Enum []bw.Kind } }
		}
	}
	if err := json.Unmarshal(wire.OpenAPI, &open); err != nil {
		t.Fatal(err)
	}
	described = append(described, open.Components.Schemas.Code.Enum...)
	slices.Sort(described)
	want := kinds(t)
	slices.Sort(want)
	if got := slices.Compact(described); !slices.Equal(got, want) {
		t.Errorf("the documents have the codes\n%v, want\n%v", got, want)
	}
}

func TestEveryCloseCodeIsDescribed(t *testing.T) {
	described := map[wire.CloseCode]string{}
	for _, row := range readAsyncAPI(t).Channels.Room.CloseCodes {
		described[row.Code] = row.Name
		if row.Meaning == "" || !slices.Contains([]string{"none", "stop", "backoff", "at_once"}, row.Reconnect) {
			t.Errorf("%d: got %+v, want a meaning and when to reconnect", row.Code, row)
		}
	}
	codes := closeCodes(t)
	for name, code := range codes {
		if got := described[code]; got != code.String() {
			t.Errorf("%s: got %q in the document, want %q", name, got, code)
		}
	}
	if len(described) != len(codes) {
		t.Errorf("got %d close codes in the document, want %d", len(described), len(codes))
	}
}
