package elastic

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
)

// document is a message as it is stored.
type document struct {
	Chatroom  bw.RoomID    `json:"chatroom"`
	User      bw.Name      `json:"user"`
	Message   string       `json:"message"`
	Timestamp bw.Millis    `json:"timestamp"`
	Epoch     bw.Epoch     `json:"epoch"`
	Seq       bw.Seq       `json:"seq"`
	ID        bw.MessageID `json:"id"`
	// Words are what the message is found by, with spaces between them. They are
	// indexed and not kept.
	Words string `json:"words,omitempty"`
}

func documentOf(m *bw.Message) document {
	return document{
		Chatroom: m.Room, User: m.User, Message: m.Text, Timestamp: m.Timestamp,
		Epoch: m.Epoch, Seq: m.Seq, ID: m.ID, Words: phrase(history.Words(m.Text)),
	}
}

func (d *document) message() bw.Message {
	return bw.Message{
		Room: d.Chatroom, Epoch: d.Epoch, Seq: d.Seq, ID: d.ID,
		User: d.User, Text: d.Message, Timestamp: d.Timestamp,
	}
}

// name is the document's own: two messages of one name are the same or a mistake.
func name(m *bw.Message) string { return fmt.Sprintf("%d:%d:%d", m.Room, m.Epoch, m.Seq) }

// month is the index that a message belongs to, always the same.
func (h *History) month(m *bw.Message) string {
	return h.cfg.Prefix + "-" + m.Timestamp.Time().Format("2006.01")
}

// maxWord is the longest word, in bytes, that is indexed as it is: the whitespace
// tokenizer cuts words of more than 255 characters, and would find their parts.
const maxWord = 200

// phrase writes words as they are indexed. A word that is too long stands there
// by its hash, behind a character that no word has.
func phrase(words []string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		if len(w) > maxWord {
			sum := sha256.Sum256([]byte(w))
			w = "#" + hex.EncodeToString(sum[:])
		}
		b.WriteString(w)
	}
	return b.String()
}
