package crowd

import (
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

// MinText is the least length of a text, in bytes: all that it carries fits, whatever the values.
const MinText = 96

// stamp is what a text says of its send.
type stamp struct {
	// run names the load test; it has no spaces and no dashes.
	run string
	// clock names the host whose clock intended is of.
	clock string
	// sender is the number of the member in the whole run, number counts his sends.
	sender, number int
	// intended is when the send should have begun, by the host's clock.
	intended time.Duration
}

// id is the message's id: unique for a user and a room, as nobody else has the sender's number.
func (s *stamp) id() bw.MessageID {
	return bw.MessageID(s.run + "-" + strconv.Itoa(s.sender) + "-" + strconv.Itoa(s.number))
}

// sum covers the text, but for the sum itself, and where the message stands.
func (s *stamp) sum(head, filler string, user bw.Name, room bw.RoomID) uint32 {
	castagnoli := crc32.MakeTable(crc32.Castagnoli) // made once by the package
	sum := crc32.Update(0, castagnoli, []byte(head))
	sum = crc32.Update(sum, castagnoli, []byte(filler))
	sum = crc32.Update(sum, castagnoli, []byte(s.id()))
	sum = crc32.Update(sum, castagnoli, []byte(user))
	return crc32.Update(sum, castagnoli, strconv.AppendInt(nil, int64(room), 10))
}

// text is the text of a send, filled up to size bytes:
//
//	RUN CLOCK SENDER NUMBER NANOSECONDS SUM FILLER
func (s *stamp) text(user bw.Name, room bw.RoomID, size int) string {
	const sumSize = 8
	head := s.run + " " + s.clock + " " + strconv.Itoa(s.sender) + " " + strconv.Itoa(s.number) + " " +
		strconv.FormatInt(s.intended.Nanoseconds(), 10) + " "
	filler := " " + strings.Repeat("x", max(1, size-len(head)-sumSize-1))
	sum := strconv.FormatUint(uint64(s.sum(head, filler, user, room)), 16)
	return head + strings.Repeat("0", sumSize-len(sum)) + sum + filler
}

// verdict is what became of a message on its way.
type verdict int

const (
	foreign verdict = iota // none of this run's
	genuine
	damaged
)

// judge reads the stamp of a message and holds it against the rest of it.
func judge(run string, m *bw.Message) (stamp, verdict) {
	if !strings.HasPrefix(string(m.ID), run+"-") && !strings.HasPrefix(m.Text, run+" ") {
		return stamp{}, foreign
	}
	fields := strings.SplitN(m.Text, " ", 7)
	if len(fields) < 7 {
		return stamp{}, damaged
	}
	s := stamp{run: fields[0], clock: fields[1]}
	var err [4]error
	var nanoseconds int64
	var sum uint64
	s.sender, err[0] = strconv.Atoi(fields[2])
	s.number, err[1] = strconv.Atoi(fields[3])
	nanoseconds, err[2] = strconv.ParseInt(fields[4], 10, 64)
	sum, err[3] = strconv.ParseUint(fields[5], 16, 32)
	s.intended = time.Duration(nanoseconds)
	head := strings.Join(fields[:5], " ") + " "
	filler := m.Text[len(head)+len(fields[5]):]
	if err != [4]error{} || s.run != run || m.ID != s.id() || uint32(sum) != s.sum(head, filler, m.User, m.Room) {
		return stamp{}, damaged
	}
	return s, genuine
}
