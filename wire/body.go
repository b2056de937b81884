package wire

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	bw "github.com/breakwater-chat/breakwater"
)

// DecodeBody reads a request's body into a struct by its json tags: exactly
// one JSON object, names as they are written, none twice, none unknown. The
// error is a *breakwater.Error: BadJSON or UnknownField.
func DecodeBody(body []byte, into any) error {
	if err := checkObject(body); err != nil {
		return err
	}
	err := json.Unmarshal(body, into, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return &bw.Error{Kind: bw.BadJSON, Detail: "This is not the JSON that is expected here.", Err: err}
	}
	field := cutText(strings.TrimPrefix(string(semantic.JSONPointer), "/"), maxComplaint)
	if errors.Is(err, json.ErrUnknownName) {
		return bw.Errorf(bw.UnknownField, "There is no field %q here.", field)
	}
	return bw.Errorf(bw.BadJSON, "The field %q has a value of the wrong type.", field)
}

// EncodeBody writes a response's body: lists that are nil become empty ones,
// text that is no UTF-8 is mended, HTML is not escaped. It fails only on types
// that have no JSON, which no type of this package is.
func EncodeBody(v any) ([]byte, error) {
	return json.Marshal(v, jsontext.AllowInvalidUTF8(true), jsontext.EscapeForJS(true))
}
