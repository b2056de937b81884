package breakwater

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Name is the name of a user or a room: NFC, 1–64 characters, no control
// characters, no space at either end. Two names are the same when their bytes
// are. Text from outside becomes a Name through wire.ParseName, which
// normalises it first.
type Name string

// MaxNameLength is in characters (Unicode code points).
const MaxNameLength = 64

// Validate tells what is wrong with a name that is already in NFC.
func (n Name) Validate() error {
	s := string(n)
	if !utf8.ValidString(s) {
		return errors.New("a name must be valid UTF-8")
	}
	switch count := utf8.RuneCountInString(s); {
	case count == 0:
		return errors.New("a name needs at least one character")
	case count > MaxNameLength:
		return fmt.Errorf("a name has at most %d characters, this one has %d", MaxNameLength, count)
	}
	for _, r := range s {
		// U+FFFE and U+FFFF are no characters at all; line and paragraph
		// separators break a line of a list as a control character would.
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufffe' || r == '\uffff' {
			return fmt.Errorf("a name has no control characters, this one has U+%04X", r)
		}
	}
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	if unicode.IsSpace(first) || unicode.IsSpace(last) {
		return errors.New("a name does not begin or end with a space")
	}
	return nil
}
