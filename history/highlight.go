package history

import (
	"html"
	"slices"
	"strings"
)

// The marks around a word that matches.
const (
	emOpen  = "<em>"
	emClose = "</em>"
)

// Highlight returns the text, HTML-escaped, with the words of every occurrence
// of a term within <em> and </em>. Words that touch share one pair.
func Highlight(text string, terms []Term) string {
	words := slices.Collect(eachWord(text))
	hit := matches(words, terms)
	var b strings.Builder
	b.Grow(len(text) + 32)
	at := 0
	for i := 0; i < len(words); i++ {
		if !hit[i] {
			continue
		}
		first := i
		for i+1 < len(words) && hit[i+1] && words[i+1].from == words[i].to {
			i++
		}
		b.WriteString(html.EscapeString(text[at:words[first].from]))
		b.WriteString(emOpen)
		b.WriteString(html.EscapeString(text[words[first].from:words[i].to]))
		b.WriteString(emClose)
		at = words[i].to
	}
	b.WriteString(html.EscapeString(text[at:]))
	return b.String()
}

// matches tells for each word whether it belongs to an occurrence of a term.
func matches(words []word, terms []Term) []bool {
	hit := make([]bool, len(words))
	for _, term := range terms {
		for i := 0; len(term) > 0 && i+len(term) <= len(words); i++ {
			if !startsWith(words[i:], term) {
				continue
			}
			for j := range term {
				hit[i+j] = true
			}
		}
	}
	return hit
}

func startsWith(words []word, term Term) bool {
	for i, w := range term {
		if words[i].folded != w {
			return false
		}
	}
	return true
}
