package history

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	bw "github.com/breakwater-chat/breakwater"
)

// MaxQueryWords bounds the words of one search.
const MaxQueryWords = 64

// Words cuts a text into the words that it can be found by, in their order,
// folded so that words which differ in case alone are equal.
//
// A word is a run of letters, digits and the marks on them, in any script. A
// script that does not separate words by spaces has a word a character, and so
// has every emoji; whoever searches for several of them in a row gets a phrase.
// Accents count: "resume" does not find "résumé".
func Words(text string) []string {
	var words []string
	for w := range eachWord(text) {
		words = append(words, w.folded)
	}
	return words
}

// word is a word and the bytes text[from:to] that it was read from.
type word struct {
	folded   string
	from, to int
}

// eachWord yields the words of a text in their order.
func eachWord(text string) func(yield func(word) bool) {
	return func(yield func(word) bool) {
		for at := 0; at < len(text); {
			r, size := utf8.DecodeRuneInString(text[at:])
			class := classify(r)
			if class == other || class == mark {
				at += size // a mark without a letter is no word
				continue
			}
			to := wordEnd(text, at+size, class)
			if !yield(word{fold(text[at:to]), at, to}) {
				return
			}
			at = to
		}
	}
}

// wordEnd finds the end of a word whose first character, of that class, is before at.
func wordEnd(text string, at int, class class) int {
	for at < len(text) {
		r, size := utf8.DecodeRuneInString(text[at:])
		next := classify(r)
		if next != mark && (next != letter || class != letter) {
			break
		}
		at += size
	}
	return at
}

// class is what a character does to a word.
type class uint8

const (
	other  class = iota // ends a word
	letter              // continues the run that it is in
	single              // is a word of its own
	mark                // belongs to what stands before it
)

// unspaced are the scripts that write words without spaces between them.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

func classify(r rune) class {
	switch {
	case r < utf8.RuneSelf:
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return letter
		}
		return other
	case r == utf8.RuneError:
		return other // a symbol to the tables, but it stands for what cannot be read
	case unicode.IsMark(r), isJoiner(r):
		return mark
	case unicode.IsLetter(r), unicode.IsNumber(r):
		// The prolonged sound mark is a letter of no script (Unicode 24, Common).
		if r == 'ー' || r == 'ｰ' || unicode.In(r, unspaced...) {
			return single
		}
		return letter
	case unicode.Is(unicode.So, r), 0x1F000 <= r && r <= 0x1FAFF:
		// The range holds emoji younger than the library's tables, and the skin
		// tones, so that a hand is found in any of them.
		return single
	}
	return other
}

// isJoiner finds the characters that shape a word without being seen: joiners
// (within Persian and Indic words, and between the parts of an emoji) and the
// soft hyphen.
func isJoiner(r rune) bool {
	return r == '\u200c' || r == '\u200d' || r == '\u00ad' || r == '\u2060'
}

// fold makes equal what differs in case or in the form of its accents only.
func fold(s string) string {
	plain := true
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			plain = false
			break
		}
	}
	if plain {
		return strings.ToLower(s)
	}
	return norm.NFC.String(strings.Map(foldRune, s))
}

// foldRune goes through the upper case, so that the forms of one letter (σ and
// ς) meet; variation selectors choose a glyph and joiners a shape, not a word.
func foldRune(r rune) rune {
	if isJoiner(r) || unicode.Is(unicode.Variation_Selector, r) {
		return -1
	}
	return unicode.ToLower(unicode.ToUpper(r))
}

// ParseTerms reads the q of a search: words between spaces must all occur, a
// "quoted phrase" as it stands. What holds no word is passed over; BadQuery if
// nothing is left, or for more than MaxQueryWords words.
func ParseTerms(q string) ([]Term, error) {
	var terms []Term
	count := 0
	for i, part := range strings.Split(q, `"`) {
		chunks := []string{part}
		if i%2 == 0 { // outside quotes
			chunks = strings.Fields(part)
		}
		for _, chunk := range chunks {
			if words := Words(chunk); len(words) > 0 {
				terms = append(terms, words)
				count += len(words)
			}
		}
	}
	switch {
	case count == 0:
		return nil, bw.Errorf(bw.BadQuery, "q needs at least one word to search for")
	case count > MaxQueryWords:
		return nil, bw.Errorf(bw.BadQuery, "q has %d words, at most %d are searched for", count, MaxQueryWords)
	}
	return terms, nil
}
