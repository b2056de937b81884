package oracle

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds a line of a saved history in bytes: a page of 500 messages of the
// longest text fits however it is escaped.
const maxLine = 16 << 20

// Write saves a history as JSON, one event a line.
func Write(w io.Writer, h History) error {
	buffered := bufio.NewWriterSize(w, 1<<16)
	encoder := json.NewEncoder(buffered)
	encoder.SetEscapeHTML(false)
	for i := range h {
		if err := encoder.Encode(&h[i]); err != nil {
			return fmt.Errorf("writing event %d of the history: %w", i+1, err)
		}
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("writing the history: %w", err)
	}
	return nil
}

// Read loads what Write has saved. Empty lines are passed over. The error names the
// line that is no event; what was read before it is lost.
func Read(r io.Reader) (History, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 1<<16), maxLine)
	var h History
	known, line := words{}, &oneLine{}
	decoder := json.NewDecoder(line)
	decoder.DisallowUnknownFields()
	for number := 1; lines.Scan(); number++ {
		if line.rest = bytes.TrimSpace(lines.Bytes()); len(line.rest) == 0 {
			continue
		}
		e, err := parse(decoder, line)
		if err != nil {
			return nil, fmt.Errorf("line %d of the history: %w", number, err)
		}
		known.replace(&e)
		h = append(h, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the history after %d events: %w", len(h), err)
	}
	return h, nil
}

// oneLine gives a decoder the line that was set, so that an event ends where its line
// does. One decoder serves all lines, as a decoder for each would take most of the time.
type oneLine struct{ rest []byte }

func (l *oneLine) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// parse reads one event, and nothing else, strictly.
func parse(decoder *json.Decoder, line *oneLine) (Event, error) {
	var e Event
	if err := decoder.Decode(&e); err != nil {
		return e, fmt.Errorf("no event: %w", err)
	}
	if n, err := io.Copy(io.Discard, decoder.Buffered()); n > 0 || err != nil || len(line.rest) > 0 {
		return e, errors.New("something follows the event")
	}
	return e, e.valid()
}

// valid tells what an event lacks.
func (e *Event) valid() error {
	switch {
	case !e.Kind.ofClient() && !e.Kind.ofWorld():
		return fmt.Errorf("unknown kind %q", e.Kind)
	case e.At < 0:
		return fmt.Errorf("%s at %d ns, before the run's start", e.Kind, e.At)
	case e.Kind.ofClient() && e.Client == "":
		return fmt.Errorf("%s without a client", e.Kind)
	case e.Conn < 0:
		return fmt.Errorf("%s on connection %d", e.Kind, e.Conn)
	case e.Kind == Connected && e.User == "":
		return fmt.Errorf("%s without a user", e.Kind)
	case e.Kind == Sent && e.Conn == 0 && e.User == "":
		return fmt.Errorf("%s without a connection and without a user", e.Kind)
	case e.Kind == Run && e.Bounds == nil:
		return fmt.Errorf("%s without bounds", e.Kind)
	case e.Room == 0 && e.needsRoom():
		return fmt.Errorf("%s without a room", e.Kind)
	case e.ID == "" && e.needsID():
		return fmt.Errorf("%s without an id", e.Kind)
	default:
		return nil
	}
}

func (e *Event) needsRoom() bool {
	switch e.Kind {
	case Connected, Closed, Run, Died, Fault, Healed, Complete, End:
		return false
	default:
		return true
	}
}

func (e *Event) needsID() bool {
	switch e.Kind {
	case Sent, Acked, Refused, Received, Document, Fault, Healed:
		return true
	default:
		return false
	}
}

// words keeps each string of a history once: a message is received by many.
type words map[string]string

func (w words) one(s string) string {
	if known, ok := w[s]; ok {
		return known
	}
	w[s] = s
	return s
}

func (w words) replace(e *Event) {
	for _, s := range []*string{&e.Client, &e.User, &e.Server, &e.ID, &e.Text, &e.Code} {
		*s = w.one(*s)
	}
	e.Kind = Kind(w.one(string(e.Kind)))
	for i := range e.Names {
		e.Names[i] = w.one(e.Names[i])
	}
	for i := range e.Messages {
		m := &e.Messages[i]
		m.ID, m.User, m.Text = w.one(m.ID), w.one(m.User), w.one(m.Text)
	}
}
