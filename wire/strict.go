package wire

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	bw "github.com/breakwater-chat/breakwater"
)

// maxComplaint keeps a detail readable, in bytes: it may quote the input.
const maxComplaint = 200

// checkObject refuses whatever is not exactly one JSON object as I-JSON has it
// (RFC 7493): UTF-8 without lone surrogates, no name twice, nothing behind it.
func checkObject(payload []byte) error {
	if !jsontext.Value(payload).IsValid() {
		return bw.Errorf(bw.BadJSON, "%s", complaint(payload))
	}
	if jsontext.Value(payload).Kind() != '{' {
		return bw.Errorf(bw.BadJSON, "A JSON object is expected here.")
	}
	return nil
}

// complaint says where a text stops being JSON.
func complaint(payload []byte) string {
	d := jsontext.NewDecoder(bytes.NewReader(payload))
	err := d.SkipValue()
	if err == nil {
		if _, err = d.ReadToken(); err == nil {
			return "There is something behind the JSON object."
		}
	}
	if errors.Is(err, io.EOF) {
		return "There is no JSON at all."
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) && syntax.Err != nil {
		what := cutText(syntax.Err.Error(), maxComplaint)
		return string(appendInt([]byte("This is no JSON: "+what+" at or after byte "), syntax.ByteOffset)) + "."
	}
	return "This is no JSON."
}

// members calls visit for each member of an object that checkObject let pass:
// the name without quotes and escapes, the value as it stands.
func members(object []byte, visit func(name []byte, value jsontext.Value)) {
	i := skipSpace(object, 0) + 1
	for i = skipSpace(object, i); object[i] != '}'; {
		end := valueEnd(object, i)
		name := unquoted(object[i:end])
		start := skipSpace(object, skipSpace(object, end)+1) // behind the colon
		end = valueEnd(object, start)
		visit(name, object[start:end])
		if i = skipSpace(object, end); object[i] == ',' {
			i = skipSpace(object, i+1)
		}
	}
}

func skipSpace(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n' {
		i++
	}
	return i
}

// valueEnd finds the end of the valid value that begins at i and has
// something behind it.
func valueEnd(b []byte, i int) int {
	for depth := 0; ; i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
}

// unquoted is the text of a valid JSON string; part of the input when that has
// no escapes.
func unquoted(raw []byte) []byte {
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	text, _ := jsontext.AppendUnquote(nil, raw) // checkObject let it pass
	return text
}
