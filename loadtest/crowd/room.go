package crowd

import (
	"bytes"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// room is what all members of this process have seen of a room.
type room struct {
	id bw.RoomID
	// prefix is what the message frames of its present life begin with, up to the seq.
	prefix []byte
	// newest are the newest messages by seq.
	newest []sighting
	// head is the newest position that was acked.
	head bw.Position
}

// sighting is a message as its first receiver got it, and what it turned out to be.
type sighting struct {
	at      bw.Position
	frame   []byte
	verdict verdict
	stamp   stamp
}

// newRoom makes a room that remembers so many messages.
func newRoom(id bw.RoomID, memory int) *room { return &room{id: id, newest: make([]sighting, memory)} }

// known finds the message that has been seen before, in exactly these bytes; nil if it
// was not, or its form is another one. What the bytes mean was worked out then.
func (r *room) known(payload []byte) *sighting {
	if len(r.prefix) == 0 || !bytes.HasPrefix(payload, r.prefix) {
		return nil
	}
	var seq bw.Seq
	for _, digit := range payload[len(r.prefix):] {
		if digit < '0' || digit > '9' {
			break
		}
		seq = seq*10 + bw.Seq(digit-'0')
	}
	seen := r.place(seq)
	if !bytes.Equal(seen.frame, payload) {
		return nil
	}
	return seen
}

func (r *room) place(seq bw.Seq) *sighting { return &r.newest[uint64(seq)%uint64(len(r.newest))] }

// see judges a message whose bytes are new to this process. differs tells that another
// message was seen in its place.
func (r *room) see(run string, payload []byte, m *bw.Message) (seen *sighting, differs bool) {
	seen = r.place(m.Seq)
	fresh := sighting{at: m.Position()}
	fresh.stamp, fresh.verdict = judge(run, m)
	if seen.at == m.Position() && len(seen.frame) > 0 {
		return &fresh, true
	}
	if seen.at.Epoch > m.Epoch || seen.at.Epoch == m.Epoch && seen.at.Seq > m.Seq {
		return &fresh, false // so late that the memory has gone on
	}
	fresh.frame = append(seen.frame[:0], payload...)
	*seen = fresh
	r.learn(payload, m)
	return seen, false
}

// learn takes the prefix of a frame that is written as this project's servers write it.
func (r *room) learn(payload []byte, m *bw.Message) {
	if bytes.HasPrefix(payload, r.prefix) && len(r.prefix) > 0 {
		return
	}
	const word = `"seq":`
	written := wire.AppendMessage(nil, m)
	if bytes.Equal(written, payload) {
		r.prefix = bytes.Clone(payload[:bytes.Index(payload, []byte(word))+len(word)])
	}
}
