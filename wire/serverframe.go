package wire

import (
	"strconv"
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

// The functions of this file append the payloads of text frames, without the
// frame's header. An empty id is left out.

// AppendMessageObject appends a message as it stands in lists:
// {"room","epoch","seq","id","user","text","timestamp"}.
func AppendMessageObject(dst []byte, m *bw.Message) []byte {
	return appendMessageFields(append(dst, '{'), m)
}

// AppendMessage appends the frame of a live message.
func AppendMessage(dst []byte, m *bw.Message) []byte {
	return appendMessageFields(append(dst, `{"type":"message",`...), m)
}

func appendMessageFields(dst []byte, m *bw.Message) []byte {
	dst = appendInt(append(dst, `"room":`...), m.Room)
	dst = appendInt(append(dst, `,"epoch":`...), m.Epoch)
	dst = appendInt(append(dst, `,"seq":`...), m.Seq)
	dst = appendString(append(dst, `,"id":`...), m.ID)
	dst = appendString(append(dst, `,"user":`...), m.User)
	dst = appendString(append(dst, `,"text":`...), m.Text)
	dst = appendInt(append(dst, `,"timestamp":`...), m.Timestamp)
	return append(dst, '}')
}

// AppendAck appends the answer to a send whose message is in the log.
func AppendAck(dst []byte, id string, room bw.RoomID, pos bw.Position, timestamp bw.Millis, duplicate bool) []byte {
	dst = appendIDAndRoom(append(dst, `{"type":"ack"`...), id, room)
	dst = appendInt(append(dst, `,"epoch":`...), pos.Epoch)
	dst = appendInt(append(dst, `,"seq":`...), pos.Seq)
	dst = appendInt(append(dst, `,"timestamp":`...), timestamp)
	dst = strconv.AppendBool(append(dst, `,"duplicate":`...), duplicate)
	return append(dst, '}')
}

// AppendJoinedHead appends the answer to a join up to and including
// `"messages":[`. What follows are outputs of AppendMessageObject, separated
// by commas, and AppendJoinedTail.
func AppendJoinedHead(dst []byte, id string, room bw.RoomID, pos bw.Position, recovered bool) []byte {
	dst = appendIDAndRoom(append(dst, `{"type":"joined"`...), id, room)
	dst = appendInt(append(dst, `,"epoch":`...), pos.Epoch)
	dst = appendInt(append(dst, `,"seq":`...), pos.Seq)
	dst = strconv.AppendBool(append(dst, `,"recovered":`...), recovered)
	return append(dst, `,"messages":[`...)
}

// AppendJoinedTail ends what AppendJoinedHead began. The count is of distinct users.
func AppendJoinedTail(dst []byte, users int) []byte {
	dst = appendInt(append(dst, `],"users":`...), users)
	return append(dst, '}')
}

// AppendLeft appends the answer to a leave.
func AppendLeft(dst []byte, id string, room bw.RoomID) []byte {
	return append(appendIDAndRoom(append(dst, `{"type":"left"`...), id, room), '}')
}

// AppendHistory appends a page, oldest message first. A next of 0 says that
// there is no more.
func AppendHistory(dst []byte, id string, room bw.RoomID, messages []bw.Message, next bw.Seq) []byte {
	dst = appendIDAndRoom(append(dst, `{"type":"history"`...), id, room)
	dst = append(dst, `,"messages":[`...)
	for i := range messages {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendMessageObject(dst, &messages[i])
	}
	dst = append(dst, `],"next":`...)
	if next == 0 {
		return append(dst, `null}`...)
	}
	return append(appendInt(dst, next), '}')
}

// AppendPresence appends who came and went since the last such frame, at most
// MaxPresenceNames each way, and the true count of distinct users.
func AppendPresence(dst []byte, room bw.RoomID, users int, joined, left []bw.Name) []byte {
	dst = appendInt(append(dst, `{"type":"presence","room":`...), room)
	dst = appendInt(append(dst, `,"users":`...), users)
	dst = appendStrings(append(dst, `,"joined":`...), joined[:min(len(joined), MaxPresenceNames)])
	dst = appendStrings(append(dst, `,"left":`...), left[:min(len(left), MaxPresenceNames)])
	return append(dst, '}')
}

// AppendTyping appends that a user types.
func AppendTyping(dst []byte, room bw.RoomID, user bw.Name) []byte {
	dst = appendInt(append(dst, `{"type":"typing","room":`...), room)
	dst = appendString(append(dst, `,"user":`...), user)
	return append(dst, '}')
}

// AppendGap appends that the messages from..to, both inclusive, cannot be
// delivered live.
func AppendGap(dst []byte, room bw.RoomID, epoch bw.Epoch, from, to bw.Seq) []byte {
	dst = appendInt(append(dst, `{"type":"gap","room":`...), room)
	dst = appendInt(append(dst, `,"epoch":`...), epoch)
	dst = appendInt(append(dst, `,"from":`...), from)
	dst = appendInt(append(dst, `,"to":`...), to)
	return append(dst, '}')
}

// AppendDrain appends the request to reconnect within a time.
func AppendDrain(dst []byte, within time.Duration) []byte {
	dst = appendInt(append(dst, `{"type":"drain","within_ms":`...), within.Milliseconds())
	return append(dst, '}')
}

// AppendError appends that a request failed while the connection stays. The
// kinds that pass by themselves carry retry_after_ms, jittered.
func AppendError(dst []byte, id string, err error) []byte {
	f := faultOf(err)
	dst = append(dst, `{"type":"error"`...)
	if id != "" {
		dst = appendString(append(dst, `,"id":`...), id)
	}
	dst = appendString(append(dst, `,"code":`...), f.kind)
	dst = appendString(append(dst, `,"detail":`...), f.detail)
	if f.retryable {
		dst = appendInt(append(dst, `,"retry_after_ms":`...), f.retryAfter(frameSpread).Milliseconds())
	}
	return append(dst, '}')
}

func appendIDAndRoom(dst []byte, id string, room bw.RoomID) []byte {
	if id != "" {
		dst = appendString(append(dst, `,"id":`...), id)
	}
	return appendInt(append(dst, `,"room":`...), room)
}
