package playback

import (
	"encoding/binary"
	"errors"
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

// pageSize is how many seqs an aligned page has: page p has 100p+1 to 100p+100.
const pageSize = 100

func pageOf(seq bw.Seq) int64 { return int64(seq-1) / pageSize }

func firstOf(page int64) bw.Seq { return bw.Seq(page)*pageSize + 1 }
func lastOf(page int64) bw.Seq  { return bw.Seq(page+1) * pageSize }

// young is how long a page is good that lacks something: the history shows a
// message within about a second.
const young = 1500 * time.Millisecond

// indexed is a time in which the history has got what it will ever get, whatever
// server has died meanwhile.
const indexed = 10 * time.Minute

// alignedPage is what the history had of a page when it was read: its messages,
// oldest first. A page without any stands for the newest one below it that has
// some. The messages are shared: nobody changes them.
type alignedPage struct {
	loaded   bw.Millis // by the clock of the server that read it
	messages []bw.Message
	// older is the newest position below the page, zero for none.
	older bw.Position
}

// newAlignedPage makes one of the newest messages up to the end of the page, of
// which there must be more than a page can have, or all that there are.
func newAlignedPage(newest []bw.Message) alignedPage {
	p := alignedPage{loaded: bw.MillisOf(time.Now()), messages: newest}
	n := len(newest)
	if n == 0 {
		return p
	}
	first := firstOf(pageOf(newest[n-1].Seq))
	for i, m := range newest {
		if m.Seq >= first {
			p.messages = newest[i:]
			break
		}
		p.older = m.Position()
	}
	return p
}

// reaches tells whether nothing is missing from the beginning of a page up to a seq
// in it, nor right below it. That never changes any more.
func (p alignedPage) reaches(page int64, seq bw.Seq) bool {
	first := firstOf(page)
	at := int(seq - first)
	return at >= 0 && at < len(p.messages) && p.messages[at].Seq == seq && p.messages[0].Seq == first &&
		(p.older.Seq == first-1 || p.beginsLife())
}

// beginsLife tells whether a life of the log begins with the page, or what was kept of
// it, and so long ago that whatever was said before is in the history.
func (p alignedPage) beginsLife() bool {
	first := p.messages[0]
	return p.older.Epoch < first.Epoch && p.loaded.Time().Sub(first.Timestamp.Time()) > indexed
}

// settled tells whether nothing is missing up to the last message that it has.
func (p alignedPage) settled() bool {
	n := len(p.messages)
	return n > 0 && p.reaches(pageOf(p.messages[0].Seq), p.messages[n-1].Seq)
}

// isYoung tells whether it was read a moment ago. What the clock of another server
// says to be of the future is not.
func (p alignedPage) isYoung() bool {
	return time.Since(p.loaded.Time()).Abs() <= young
}

// bytes is about what it takes.
func (p alignedPage) bytes() (sum int) {
	for i := range p.messages {
		m := &p.messages[i]
		sum += 16 + len(m.ID) + len(m.User) + len(m.Text)
	}
	return sum
}

// The encoding is a version, then numbers as varints, and texts behind their
// lengths: when it was read, older, and the messages, whose numbers are the
// differences to those of the message before.
const (
	encodingVersion = 1
	leastMessage    = 7 // bytes of one
)

func (p alignedPage) encode() []byte {
	b := make([]byte, 0, 64+p.bytes()+8*len(p.messages))
	b = append(b, encodingVersion)
	b = binary.AppendVarint(b, int64(p.loaded))
	b = binary.AppendVarint(b, int64(p.older.Epoch))
	b = binary.AppendVarint(b, int64(p.older.Seq))
	var last bw.Message
	for _, m := range p.messages {
		for _, n := range []int64{
			int64(m.Room - last.Room), int64(m.Epoch - last.Epoch), int64(m.Seq - last.Seq), int64(m.Timestamp - last.Timestamp),
		} {
			b = binary.AppendVarint(b, n)
		}
		for _, text := range []string{string(m.ID), string(m.User), m.Text} {
			b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
		}
		last = m
	}
	return b
}

var errNotAPage = errors.New("not a page of messages")

// decodePage reads what encode wrote. The texts of all messages share memory.
func decodePage(b []byte) (p alignedPage, err error) {
	if len(b) == 0 || b[0] != encodingVersion {
		return p, errNotAPage
	}
	r := pageReader{left: string(b[1:])}
	p.loaded = bw.Millis(r.number())
	p.older = bw.Position{Epoch: bw.Epoch(r.number()), Seq: bw.Seq(r.number())}
	var last bw.Message
	if n := len(r.left) / leastMessage; n > 0 {
		p.messages = make([]bw.Message, 0, min(n, pageSize))
	}
	for len(r.left) > 0 && !r.broken {
		last.Room += bw.RoomID(r.number())
		last.Epoch += bw.Epoch(r.number())
		last.Seq += bw.Seq(r.number())
		last.Timestamp += bw.Millis(r.number())
		last.ID, last.User, last.Text = bw.MessageID(r.text()), bw.Name(r.text()), r.text()
		p.messages = append(p.messages, last)
	}
	if r.broken {
		return alignedPage{}, errNotAPage
	}
	return p, nil
}

// pageReader takes numbers and texts off an encoded page.
type pageReader struct {
	left   string
	broken bool
}

func (r *pageReader) number() int64 {
	n := r.natural()
	return int64(n>>1) ^ -int64(n&1)
}

// natural is binary.Uvarint of a string.
func (r *pageReader) natural() (n uint64) {
	for i := range min(len(r.left), binary.MaxVarintLen64) {
		b := r.left[i]
		if n |= uint64(b&0x7f) << (7 * i); b < 0x80 {
			r.left = r.left[i+1:]
			return n
		}
	}
	r.broken = true
	return 0
}

func (r *pageReader) text() string {
	n := r.natural()
	if r.broken || n > uint64(len(r.left)) {
		r.broken = true
		return ""
	}
	text := r.left[:n]
	r.left = r.left[n:]
	return text
}
