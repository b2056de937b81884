package wire

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	bw "github.com/breakwater-chat/breakwater"
)

// This file is the client's side of the WebSocket: what AppendX of
// serverframe.go wrote is read here, and what ParseClientFrame reads is written.

// Types of the frames that only a server sends.
const (
	TypeJoined   = "joined"
	TypeMessage  = "message"
	TypeAck      = "ack"
	TypePresence = "presence"
	TypeLeft     = "left"
	TypeGap      = "gap"
	TypeDrain    = "drain"
	TypeError    = "error"
)

// ServerFrame is what a server tells. Fields that its type does not have are zero.
type ServerFrame struct {
	Type      string    `json:"type"`
	ID        string    `json:"id"`
	Room      bw.RoomID `json:"room"`
	Epoch     bw.Epoch  `json:"epoch"`
	Seq       bw.Seq    `json:"seq"`
	User      bw.Name   `json:"user"`
	Text      string    `json:"text"`
	Timestamp bw.Millis `json:"timestamp"`
	Duplicate bool      `json:"duplicate"`
	Recovered bool      `json:"recovered"`
	// Messages are those of a playback or a page, oldest first.
	Messages []bw.Message `json:"messages"`
	// Next is 0 when a page is the last one.
	Next  bw.Seq `json:"next"`
	Users int    `json:"users"`
	// Joined and Left are the names of a presence frame.
	Joined []bw.Name `json:"joined"`
	Left   []bw.Name `json:"left"`
	// From and To bound a gap, both inclusive.
	From bw.Seq `json:"from"`
	To   bw.Seq `json:"to"`
	// WithinMS is the window of a drain frame.
	WithinMS     int64   `json:"within_ms"`
	Code         bw.Kind `json:"code"`
	Detail       string  `json:"detail"`
	RetryAfterMS int64   `json:"retry_after_ms"`
}

// Message is the message of a message frame.
func (f *ServerFrame) Message() bw.Message {
	return bw.Message{Room: f.Room, Epoch: f.Epoch, Seq: f.Seq, ID: bw.MessageID(f.ID), User: f.User, Text: f.Text, Timestamp: f.Timestamp}
}

// ParseServerFrame reads the payload of a text frame and keeps no part of it.
// Unlike ParseClientFrame it lets pass what it does not know, a type or a field:
// a later server may say more than this version of the protocol. The error is a
// *breakwater.Error of kind BadJSON.
func ParseServerFrame(payload []byte) (ServerFrame, error) {
	var f ServerFrame
	if err := json.Unmarshal(payload, &f); err != nil {
		return ServerFrame{}, &bw.Error{Kind: bw.BadJSON, Detail: "The server sent what is no frame.", Err: err}
	}
	return f, nil
}

// AppendClientFrame appends the payload of a frame for ParseClientFrame. Fields
// that are zero are left out; the caller sets only those that the type has.
func AppendClientFrame(dst []byte, f *ClientFrame) []byte {
	dst = appendString(append(dst, `{"type":`...), f.Type)
	if f.ID != "" {
		dst = appendString(append(dst, `,"id":`...), f.ID)
	}
	if f.Room != 0 {
		dst = appendInt(append(dst, `,"room":`...), f.Room)
	}
	if f.Since != nil {
		dst = appendInt(append(dst, `,"since":{"epoch":`...), f.Since.Epoch)
		dst = append(appendInt(append(dst, `,"seq":`...), f.Since.Seq), '}')
	}
	if f.Text != "" {
		dst = appendString(append(dst, `,"text":`...), f.Text)
	}
	if f.Before != 0 {
		dst = appendInt(append(dst, `,"before":`...), f.Before)
	}
	if f.After != 0 {
		dst = appendInt(append(dst, `,"after":`...), max(f.After, 0))
	}
	if f.Limit != 0 {
		dst = appendInt(append(dst, `,"limit":`...), f.Limit)
	}
	return append(dst, '}')
}

// ParseProblem reads a problem document, the body of a refusal over HTTP. Its
// kind is "" when the body is something else, such as a proxy's page.
func ParseProblem(body []byte) *bw.Error {
	var p struct {
		Title  string  `json:"title"`
		Detail string  `json:"detail"`
		Code   bw.Kind `json:"code"`
	}
	if json.Unmarshal(body, &p, jsontext.AllowInvalidUTF8(true)) != nil {
		return &bw.Error{}
	}
	if p.Detail == "" {
		p.Detail = p.Title
	}
	return &bw.Error{Kind: p.Code, Detail: p.Detail}
}
