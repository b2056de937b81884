package wire

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	bw "github.com/breakwater-chat/breakwater"
)

// Types of the frames that a client sends.
const (
	TypeJoin    = "join"
	TypeLeave   = "leave"
	TypeSend    = "send"
	TypeTyping  = "typing"
	TypeHistory = "history"
)

// FromStart is what ClientFrame.After holds for an `after` of 0: everything
// from the first message on. It is below every seq and not the zero that means
// "left out".
const FromStart bw.Seq = -1

// ClientFrame is what a client asks for. Fields that its type does not have are zero.
type ClientFrame struct {
	Type string
	ID   string
	// Room is 0 when it was left out.
	Room bw.RoomID
	// Since is nil when it was left out.
	Since *bw.Position
	Text  string
	// Before and After are 0 when they were left out; at most one is set.
	Before, After bw.Seq
	// Limit is 0 when it was left out, else 1 to MaxPage.
	Limit int
}

// ParseClientFrame reads a frame under the limits of the contract; see
// Limits.ParseClientFrame.
func ParseClientFrame(payload []byte) (ClientFrame, error) {
	return DefaultLimits().ParseClientFrame(payload)
}

// ParseClientFrame reads the payload of a text frame and keeps no part of it.
// The error is a *breakwater.Error: BadJSON for what is no JSON object or has a
// value of the wrong type, UnknownType, UnknownField for a field that the type
// does not have, InvalidID, NoSuchRoom for a room that is not positive,
// EmptyText, TextTooLong, BadQuery. Even then the frame has the id, if it could
// be read, so that the client can be told which request failed.
func (l Limits) ParseClientFrame(payload []byte) (ClientFrame, error) {
	if err := checkObject(payload); err != nil {
		return ClientFrame{ID: salvageID(payload)}, err
	}
	var raw rawFrame
	members(payload, raw.keep)
	f := ClientFrame{ID: raw.idText()}
	err := f.fill(&raw, l)
	if err != nil {
		return ClientFrame{Type: f.Type, ID: f.ID}, err
	}
	return f, nil
}

// field is one of the names that a client's frame may have.
type field int

const (
	fieldType field = iota
	fieldID
	fieldRoom
	fieldSince
	fieldText
	fieldBefore
	fieldAfter
	fieldLimit
	fieldCount
)

func fieldOf(name []byte) (field, bool) {
	switch string(name) {
	case "type":
		return fieldType, true
	case "id":
		return fieldID, true
	case "room":
		return fieldRoom, true
	case "since":
		return fieldSince, true
	case "text":
		return fieldText, true
	case "before":
		return fieldBefore, true
	case "after":
		return fieldAfter, true
	case "limit":
		return fieldLimit, true
	default:
		return 0, false
	}
}

func (f field) String() string {
	return [fieldCount]string{"type", "id", "room", "since", "text", "before", "after", "limit"}[f]
}

// fieldSet has bit 1<<f for each field f.
type fieldSet uint

func setOf(fields ...field) (s fieldSet) {
	for _, f := range fields {
		s |= 1 << f
	}
	return s
}

// shape is which fields a type has beside "type" itself; empty for a type
// that does not exist.
func shape(frameType []byte) (name string, fields fieldSet) {
	switch string(frameType) {
	case TypeJoin:
		return TypeJoin, setOf(fieldID, fieldRoom, fieldSince)
	case TypeLeave:
		return TypeLeave, setOf(fieldID, fieldRoom)
	case TypeSend:
		return TypeSend, setOf(fieldID, fieldRoom, fieldText)
	case TypeTyping:
		return TypeTyping, setOf(fieldRoom)
	case TypeHistory:
		return TypeHistory, setOf(fieldID, fieldRoom, fieldBefore, fieldAfter, fieldLimit)
	default:
		return "", 0
	}
}

// rawFrame holds the values of an object by their names.
type rawFrame struct {
	values  [fieldCount]jsontext.Value
	unknown []byte // the first name that no frame has
}

func (r *rawFrame) keep(name []byte, value jsontext.Value) {
	if f, ok := fieldOf(name); ok {
		r.values[f] = value
	} else if r.unknown == nil {
		r.unknown = append([]byte{}, name...)
	}
}

func (r *rawFrame) has(f field) bool { return r.values[f] != nil }

// idText is the id as it was sent, valid or not.
func (r *rawFrame) idText() string {
	if r.has(fieldID) && r.values[fieldID].Kind() == '"' {
		return string(unquoted(r.values[fieldID]))
	}
	return ""
}

// fill takes over what the frame's type asks for, in the order in which a
// client is best told what is wrong.
func (f *ClientFrame) fill(raw *rawFrame, l Limits) error {
	fields, err := f.readType(raw)
	if err != nil {
		return err
	}
	if err := raw.refuseFields(f.Type, fields); err != nil {
		return err
	}
	if fields&setOf(fieldID) != 0 {
		if err := f.checkID(raw); err != nil {
			return err
		}
	}
	if err := f.readRoom(raw); err != nil {
		return err
	}
	switch f.Type {
	case TypeJoin:
		return f.readSince(raw)
	case TypeSend:
		return f.readText(raw, l)
	case TypeHistory:
		return f.readPage(raw)
	default:
		return nil
	}
}

func (f *ClientFrame) readType(raw *rawFrame) (fieldSet, error) {
	value := raw.values[fieldType]
	if value == nil {
		return 0, bw.Errorf(bw.UnknownType, `A frame needs a "type": join, leave, send, typing or history.`)
	}
	if value.Kind() != '"' {
		return 0, bw.Errorf(bw.BadJSON, `"type" must be a string.`)
	}
	name, fields := shape(unquoted(value))
	if name == "" {
		return 0, bw.Errorf(bw.UnknownType, "There is no frame of type %s; there are join, leave, send, typing and history.",
			cutText(string(value), maxComplaint))
	}
	f.Type = name
	return fields, nil
}

// refuseFields refuses the first field that the frame's type does not have.
func (r *rawFrame) refuseFields(frameType string, known fieldSet) error {
	name := r.unknown
	for f := fieldID; f < fieldCount && name == nil; f++ {
		if r.has(f) && known&setOf(f) == 0 {
			name = []byte(f.String())
		}
	}
	if name == nil {
		return nil
	}
	return bw.Errorf(bw.UnknownField, "A frame of type %s has no field %q.", frameType, cutText(string(name), maxComplaint))
}

// salvageID looks for the id in what is no valid frame: a string member "id"
// of an object that is readable up to there, if one is lenient.
func salvageID(payload []byte) string {
	d := jsontext.NewDecoder(bytes.NewReader(payload), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if token, err := d.ReadToken(); err != nil || token.Kind() != '{' {
		return ""
	}
	for {
		name, err := d.ReadToken()
		if err != nil || name.Kind() != '"' {
			return ""
		}
		if name.String() != fieldID.String() {
			if d.SkipValue() != nil {
				return ""
			}
			continue
		}
		if id, err := d.ReadToken(); err == nil && id.Kind() == '"' {
			return id.String()
		}
		return ""
	}
}
