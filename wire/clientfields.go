package wire

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	bw "github.com/breakwater-chat/breakwater"
)

// The methods of this file read one field of a frame each, as its type asks.

func (f *ClientFrame) checkID(raw *rawFrame) error {
	if raw.has(fieldID) && raw.values[fieldID].Kind() != '"' {
		return bw.Errorf(bw.BadJSON, `"id" must be a string.`)
	}
	return CheckID(f.ID)
}

func (f *ClientFrame) readRoom(raw *rawFrame) error {
	if !raw.has(fieldRoom) {
		if f.Type == TypeJoin {
			return bw.Errorf(bw.BadJSON, `A join needs a "room".`)
		}
		return nil
	}
	n, err := integer(fieldRoom.String(), raw.values[fieldRoom])
	if err != nil {
		return err
	}
	if n <= 0 {
		return bw.Errorf(bw.NoSuchRoom, "There is no room %d; rooms are positive numbers.", n)
	}
	f.Room = bw.RoomID(n)
	return nil
}

func (f *ClientFrame) readText(raw *rawFrame, l Limits) error {
	if !raw.has(fieldText) {
		return bw.Errorf(bw.EmptyText, `A send needs a "text".`)
	}
	if raw.values[fieldText].Kind() != '"' {
		return bw.Errorf(bw.BadJSON, `"text" must be a string.`)
	}
	f.Text = string(unquoted(raw.values[fieldText]))
	return l.CheckText(f.Text)
}

// readSince reads a position: an object of exactly epoch and seq.
func (f *ClientFrame) readSince(raw *rawFrame) error {
	if !raw.has(fieldSince) {
		return nil
	}
	object := raw.values[fieldSince]
	if object.Kind() != '{' {
		return bw.Errorf(bw.BadJSON, `"since" must be an object of "epoch" and "seq".`)
	}
	var epoch, seq jsontext.Value
	var unknown []byte
	members(object, func(name []byte, value jsontext.Value) {
		switch string(name) {
		case "epoch":
			epoch = value
		case "seq":
			seq = value
		default:
			unknown = name
		}
	})
	if unknown != nil {
		return bw.Errorf(bw.UnknownField, `"since" has no field %q, only "epoch" and "seq".`, cutText(string(unknown), maxComplaint))
	}
	if epoch == nil || seq == nil {
		return bw.Errorf(bw.BadJSON, `"since" needs both "epoch" and "seq".`)
	}
	e, err := natural("epoch", epoch)
	if err != nil {
		return err
	}
	s, err := natural("seq", seq)
	if err != nil {
		return err
	}
	f.Since = &bw.Position{Epoch: bw.Epoch(e), Seq: bw.Seq(s)}
	return nil
}

func (f *ClientFrame) readPage(raw *rawFrame) error {
	if raw.has(fieldBefore) && raw.has(fieldAfter) {
		return bw.Errorf(bw.BadQuery, `A page is either "before" or "after" a seq, not both.`)
	}
	if raw.has(fieldBefore) {
		n, err := integer("before", raw.values[fieldBefore])
		if err != nil {
			return err
		}
		if n < 1 {
			return bw.Errorf(bw.BadQuery, `"before" must be at least 1.`)
		}
		f.Before = bw.Seq(n)
	}
	if raw.has(fieldAfter) {
		n, err := integer("after", raw.values[fieldAfter])
		if err != nil {
			return err
		}
		if n < 0 {
			return bw.Errorf(bw.BadQuery, `"after" must not be negative.`)
		}
		if f.After = bw.Seq(n); n == 0 {
			f.After = FromStart
		}
	}
	if raw.has(fieldLimit) {
		n, err := integer("limit", raw.values[fieldLimit])
		if err != nil {
			return err
		}
		if n < 1 || n > MaxPage {
			return bw.Errorf(bw.BadQuery, `"limit" must be 1 to %d.`, MaxPage)
		}
		f.Limit = int(n)
	}
	return nil
}

// integer reads a whole number without fraction or exponent that fits 64 bits.
func integer(name string, value jsontext.Value) (int64, error) {
	if value.Kind() == '0' {
		if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, bw.Errorf(bw.BadJSON, "%q must be an integer.", name)
}

func natural(name string, value jsontext.Value) (int64, error) {
	n, err := integer(name, value)
	if err == nil && n < 0 {
		return 0, bw.Errorf(bw.BadJSON, "%q must not be negative.", name)
	}
	return n, err
}
