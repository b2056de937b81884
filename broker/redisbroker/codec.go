package redisbroker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// A record is what stands for a message in the tail, in the partition's log and
// on the channel. It begins with a header, written by send.lua: its kind (one
// byte), epoch, seq, timestamp, and the bytes that the room's records have had
// up to this one, which bounds the tail (8 bytes each, big-endian). Then comes
// the body: the room (8 bytes), the id and the user, each after its length, and
// the text. What is on a channel and begins otherwise is a notice.
const (
	kindMessage = 1
	kindNotice  = 2

	headerSize = 1 + 4*8
	roomSize   = 8

	// field is the name of the record in a stream's entry.
	field = "m"
)

var errRecord = errors.New("not a record of this version")

// appendHeader appends a header such as send.lua writes, for what does not count
// in a tail.
func appendHeader(b []byte, m *bw.Message) []byte {
	b = append(b, kindMessage)
	for _, word := range []uint64{uint64(m.Epoch), uint64(m.Seq), uint64(m.Timestamp), 0} {
		b = binary.BigEndian.AppendUint64(b, word)
	}
	return b
}

// appendBody appends what a sender contributes to a record.
func appendBody(b []byte, s *broker.Send) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(s.Room))
	b = appendString(b, string(s.ID))
	b = appendString(b, string(s.User))
	return append(b, s.Text...)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeRecord reads a record. The message's strings are parts of it: it is
// hardly larger than they are.
func decodeRecord(record string) (bw.Message, error) {
	if len(record) < headerSize+roomSize || record[0] != kindMessage {
		return bw.Message{}, errRecord
	}
	word := func(at int) int64 { return int64(binary.BigEndian.Uint64([]byte(record[at : at+8]))) }
	m := bw.Message{
		Epoch: bw.Epoch(word(1)), Seq: bw.Seq(word(9)), Timestamp: bw.Millis(word(17)),
		Room: bw.RoomID(word(headerSize)),
	}
	id, rest, ok := cutString(record[headerSize+roomSize:])
	if !ok {
		return bw.Message{}, errRecord
	}
	user, text, ok := cutString(rest)
	if !ok {
		return bw.Message{}, errRecord
	}
	m.ID, m.User, m.Text = bw.MessageID(id), bw.Name(user), text
	return m, nil
}

// decodeEntry reads the record of a stream's entry.
func decodeEntry(entry redis.XMessage) (m bw.Message, record string, err error) {
	record, _ = entry.Values[field].(string)
	m, err = decodeRecord(record)
	return m, record, err
}

func cutString(s string) (first, rest string, ok bool) {
	var prefix [binary.MaxVarintLen64]byte
	length, n := binary.Uvarint(prefix[:copy(prefix[:], s)])
	if n <= 0 || length > uint64(len(s)-n) {
		return "", "", false
	}
	end := n + int(length)
	return s[n:end], s[end:], true
}

// notice is a broker.Notice on its way. What is not known in it is passed over, so
// that servers of several versions understand each other.
type notice struct {
	ID              int64     `json:"id,omitempty"`
	Typing          bw.Name   `json:"typing,omitempty"`
	Joined          []bw.Name `json:"joined,omitempty"`
	Left            []bw.Name `json:"left,omitempty"`
	Users           int       `json:"users,omitempty"`
	PresenceVersion int64     `json:"version,omitempty"`
}

func encodeNotice(n *broker.Notice) []byte {
	// Strings and numbers cannot fail.
	b, _ := json.Marshal(notice{n.ID, n.Typing, n.Joined, n.Left, n.Users, n.PresenceVersion})
	return append([]byte{kindNotice}, b...)
}

func decodeNotice(room bw.RoomID, payload string) (broker.Notice, error) {
	var n notice
	if err := json.Unmarshal([]byte(payload[1:]), &n); err != nil {
		return broker.Notice{}, fmt.Errorf("decode a notice: %w", err)
	}
	return broker.Notice{
		ID: n.ID, Room: room, Typing: n.Typing, Joined: n.Joined, Left: n.Left, Users: n.Users, PresenceVersion: n.PresenceVersion,
	}, nil
}
