package wire

import (
	"strings"
	"unicode"
	"unicode/utf8"

	bw "github.com/breakwater-chat/breakwater"
)

// CheckText refuses a text that cannot be a message: EmptyText when there is
// nothing but white space, TextTooLong above the limit.
func (l Limits) CheckText(text string) error {
	if strings.TrimSpace(text) == "" {
		return bw.Errorf(bw.EmptyText, "A message needs a text that is more than white space.")
	}
	if l.MaxText > 0 && len(text) > l.MaxText {
		return bw.Errorf(bw.TextTooLong, "The text has %d bytes; a message has at most %d.", len(text), l.MaxText)
	}
	return nil
}

// CheckID refuses an id that the contract does not allow: InvalidID.
func CheckID(id string) error {
	switch count := utf8.RuneCountInString(id); {
	case count == 0:
		return bw.Errorf(bw.InvalidID, "An id of 1 to %d characters is needed, chosen by the client.", MaxID)
	case count > MaxID:
		return bw.Errorf(bw.InvalidID, "The id has %d characters; it may have at most %d.", count, MaxID)
	}
	if at := strings.IndexFunc(id, unicode.IsControl); at >= 0 {
		return bw.Errorf(bw.InvalidID, "The id has a control character at byte %d; it may have none.", at)
	}
	return nil
}
