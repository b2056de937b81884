package oracle

import "time"

// sendKey is what makes a message one of its kind.
type sendKey struct {
	room     int64
	user, id string
}

// send is a message that somebody wanted stored, by one try or several.
type send struct {
	attempts []attempt
	acks     []int
}

// attempt is one try of a send.
type attempt struct {
	event  int
	conn   connKey
	closed *conn // whose connection it went over; nil for a POST
	answer int   // -1 is none
}

func (f *facts) sent(i int, e *Event, c *conn) {
	s := f.send(sendKey{e.Room, c.owner(), e.ID})
	a := attempt{event: i, conn: connKey{e.Client, e.Conn}, answer: -1}
	if e.Conn != 0 {
		a.closed = c
	}
	s.attempts = append(s.attempts, a)
}

// owner is the user whose connection it is; that of the client, where there is none.
func (c *conn) owner() string {
	if c.user != "" {
		return c.user
	}
	return c.client.user
}

func (f *facts) send(key sendKey) *send {
	s := f.sends[key]
	if s == nil {
		s = &send{}
		f.sends[key] = s
	}
	return s
}

// answered gives an answer to the oldest try of that connection that has none.
func (f *facts) answered(i int, e *Event, c *conn) {
	key := sendKey{e.Room, c.owner(), e.ID}
	s := f.send(key)
	if e.Kind == Acked {
		r := f.room(e.Room)
		r.acks = append(r.acks, i)
		r.newest = max(r.newest, e.Epoch)
		s.acks = append(s.acks, i)
	}
	for n := range s.attempts {
		if a := &s.attempts[n]; a.answer < 0 && a.conn == (connKey{e.Client, e.Conn}) {
			a.answer = i
			return
		}
	}
	f.broken(RuleAck, i, "%s answers no send of the connection", e.Kind)
}

// refusedFor is the code that refused a try for good; "" if it was not.
func (f *facts) refusedFor(a attempt) string {
	if a.answer < 0 || f.events[a.answer].Kind != Refused || !final(f.events[a.answer].Code) {
		return ""
	}
	return f.events[a.answer].Code
}

// final tells whether a code promises that the message is not stored. The others
// (unavailable, overloaded, internal, and what nobody knows) may come of an answer
// that was lost on its way.
func final(code string) bool {
	switch code {
	case "bad_json", "unknown_type", "unknown_field", "text_too_long", "empty_text", "id_conflict", "rate_limited",
		"not_in_room", "no_such_room", "invalid_id", "unauthorized", "bad_request", "body_too_large":
		return true
	default:
		return false
	}
}

// origin tells what is known of a message's sending: whether somebody tried to send it
// with this text by a time, and whether each such try was refused for good.
func (f *facts) origin(room int64, m Message, by time.Duration) (sent, refused bool) {
	s := f.sends[sendKey{room, m.User, m.ID}]
	if s == nil {
		return false, false
	}
	refused = true
	for _, a := range s.attempts {
		e := &f.events[a.event]
		if e.Text != m.Text || e.At > by+f.bounds.Skew {
			continue
		}
		sent = true
		refused = refused && f.refusedFor(a) != ""
	}
	return sent, sent && refused
}

// mayBeTwice tells whether the contract lets a message be stored at both places: it
// was sent again in another epoch, or after the server had forgotten its id.
func (f *facts) mayBeTwice(key sendKey, a, b position) bool {
	s := f.sends[key]
	if s == nil || len(s.attempts) == 0 {
		return false
	}
	first, last := s.attempts[0].event, s.attempts[len(s.attempts)-1].event
	if f.events[last].At-f.events[first].At >= f.bounds.IDWindow {
		return true
	}
	return a.epoch != b.epoch && (len(s.attempts) > 1 || f.excused(LogLost, f.events[first].At, f.end))
}

// checkUnanswered holds a connection that stays to answer what is sent over it.
func checkUnanswered(f *facts, report func(finding)) {
	for key, s := range f.sends {
		for _, a := range s.attempts {
			if a.closed == nil {
				continue
			}
			e, until := &f.events[a.event], f.end
			if a.closed.closed >= 0 {
				until = f.events[a.closed.closed].At
			}
			if a.answer >= 0 {
				until = f.events[a.answer].At
			}
			if due := f.due(e.At, f.bounds.Grace); due < until {
				report(finding{
					event: a.event, client: e.Client, room: key.room,
					text: "had no answer by " + clock(due) + ", and the connection was there",
				})
			}
		}
	}
}
