package crash

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// goodHistory is what a faultless server leaves: two clients in one room, who
// send in turn; the last send was repeated and answered as a duplicate.
func goodHistory() history {
	const room, epoch = 7, 1000
	h := history{records: []record{{user: "ann"}, {user: "bob"}}, stored: map[int64][]message{}, epochs: map[int64]int64{room: epoch}}
	for seq := int64(1); seq <= 6; seq++ {
		author := &h.records[seq%2]
		m := message{Room: room, Epoch: epoch, Seq: seq, ID: fmt.Sprint("m", seq), User: author.user, Text: fmt.Sprint("text ", seq), Timestamp: 5000 + seq}
		author.sends = append(author.sends, send{room, m.ID, m.Text})
		author.acks = append(author.acks, ack{room, m.ID, epoch, seq, m.Timestamp, seq == 6})
		h.stored[room] = append(h.stored[room], m)
	}
	for i := range h.records {
		h.records[i].streams = []stream{{room: room, messages: slices.Clone(h.stored[room])}}
	}
	return h
}

// fault is a way in which a server can break its promises, written into a
// history that kept them.
type fault struct {
	name string
	// want is a part of what the checker says about it.
	want string
	// commit changes the history, which has at least four messages in its
	// first client's first stream.
	commit func(h *history)
}

// faults are the checker's negative controls. They are played on a history made
// by hand and on the one of a real run.
var faults = []fault{
	{"an ack before the commit, lost by the crash", "lost:", func(h *history) {
		room, last := lastStored(h)
		author := authorOf(h, last)
		h.stored[room] = h.stored[room][:len(h.stored[room])-1]
		forget(h, room, last.Seq)
		if !slices.ContainsFunc(author.acks, func(a ack) bool { return a.id == last.ID }) {
			panic("the message was never acked")
		}
	}},
	{"an ack before the commit, its seq given again", "lost:", func(h *history) {
		// After the crash another message takes the seq that was acked.
		room, last := lastStored(h)
		author := authorOf(h, last)
		other := last
		other.ID, other.Text = "after-the-crash", "another one"
		author.sends = append(author.sends, send{room, other.ID, other.Text})
		author.acks = append(author.acks, ack{room, other.ID, other.Epoch, other.Seq, other.Timestamp, false})
		h.stored[room][len(h.stored[room])-1] = other
		replace(h, other)
	}},
	{"a repeated send stored twice", "stored twice", func(h *history) {
		room, last := lastStored(h)
		again := h.stored[room][0]
		again.Seq, again.Timestamp = last.Seq+1, last.Timestamp
		h.stored[room] = append(h.stored[room], again)
		for i := range h.records {
			for j := range h.records[i].streams {
				if s := &h.records[i].streams[j]; s.room == room {
					s.messages = append(s.messages, again)
				}
			}
		}
	}},
	{"a repeated send acked twice as new", "neither says duplicate", func(h *history) {
		_, last := lastStored(h)
		author := authorOf(h, last)
		for i := range author.acks {
			if a := author.acks[i]; a.id == last.ID {
				a.duplicate = false
				author.acks[i] = a
				author.acks = append(author.acks, a)
				return
			}
		}
	}},
	{"an order of its own for one client", "too late", func(h *history) {
		m := h.records[0].streams[0].messages
		m[1], m[2] = m[2], m[1]
	}},
	{"one seq with two messages", "used twice", func(h *history) {
		h.records[0].streams[0].messages[1].Text = "something else"
	}},
	{"a message delivered twice", "again", func(h *history) {
		s := &h.records[0].streams[0]
		s.messages = slices.Insert(s.messages, 2, s.messages[1])
	}},
	{"a hole in what a client received", "a hole", func(h *history) {
		s := &h.records[0].streams[0]
		s.messages = slices.Delete(s.messages, 1, 2)
	}},
	{"the newest message kept from a client", "only, stored are", func(h *history) {
		s := &h.records[0].streams[0]
		s.messages = s.messages[:len(s.messages)-1]
	}},
	{"a hole in the log", "a hole", func(h *history) {
		room, _ := lastStored(h)
		h.stored[room] = slices.Delete(h.stored[room], 1, 2)
	}},
	{"two stored messages swapped", "comes after", func(h *history) {
		room, _ := lastStored(h)
		h.stored[room][1], h.stored[room][2] = h.stored[room][2], h.stored[room][1]
	}},
	{"a send without an ack", "never got an ack", func(h *history) {
		r := &h.records[0]
		gone := r.acks[0].id
		r.acks = slices.DeleteFunc(r.acks, func(a ack) bool { return a.id == gone })
	}},
	{"a message from nobody", "nobody sent", func(h *history) {
		r := &h.records[0]
		r.sends = r.sends[1:]
	}},
	{"another epoch", "epoch", func(h *history) {
		room, _ := lastStored(h)
		h.epochs[room]--
	}},
	{"a clock that goes backwards", "goes backwards", func(h *history) {
		room, _ := lastStored(h)
		h.stored[room][2].Timestamp = 1
	}},
	{"a resume that was none", "complains", func(h *history) {
		h.records[0].complaints = []string{"not recovered"}
	}},
}

func TestCheckerAcceptsAFaultlessHistory(t *testing.T) {
	if broken := check(goodHistory()); len(broken) > 0 {
		t.Errorf("got %q, want nothing", broken)
	}
}

func TestCheckerCatches(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			h := goodHistory()
			f.commit(&h)
			mustCatch(t, h, f)
		})
	}
}

func mustCatch(t *testing.T, h history, f fault) {
	t.Helper()
	broken := check(h)
	if !slices.ContainsFunc(broken, func(s string) bool { return strings.Contains(s, f.want) }) {
		t.Errorf("%s: got %q, want something with %q", f.name, broken, f.want)
	}
}

// lastStored is the newest message of the first client's first room.
func lastStored(h *history) (int64, message) {
	room := h.records[0].streams[0].room
	return room, h.stored[room][len(h.stored[room])-1]
}

func authorOf(h *history, m message) *record {
	i := slices.IndexFunc(h.records, func(r record) bool { return r.user == m.User })
	return &h.records[i]
}

// forget takes a message out of everybody's streams.
func forget(h *history, room, seq int64) {
	for i := range h.records {
		for j := range h.records[i].streams {
			if s := &h.records[i].streams[j]; s.room == room {
				s.messages = slices.DeleteFunc(s.messages, func(m message) bool { return m.Seq == seq })
			}
		}
	}
}

// replace puts a message in the place of the one with its seq in all streams.
func replace(h *history, with message) {
	for i := range h.records {
		for j := range h.records[i].streams {
			for k, m := range h.records[i].streams[j].messages {
				if m.Room == with.Room && m.Seq == with.Seq {
					h.records[i].streams[j].messages[k] = with
				}
			}
		}
	}
}

// clone copies everything that a fault may change.
func (h history) clone() history {
	copied := history{records: slices.Clone(h.records), stored: map[int64][]message{}, epochs: map[int64]int64{}}
	for room, messages := range h.stored {
		copied.stored[room], copied.epochs[room] = slices.Clone(messages), h.epochs[room]
	}
	for i := range copied.records {
		r := &copied.records[i]
		r.sends, r.acks, r.streams = slices.Clone(r.sends), slices.Clone(r.acks), slices.Clone(r.streams)
		for j := range r.streams {
			r.streams[j].messages = slices.Clone(r.streams[j].messages)
		}
	}
	return copied
}
