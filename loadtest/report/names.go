package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// errorPrefix begins the counts of errors; the code follows.
const errorPrefix = "error "

// usual is the order in which people look for names; others follow by the alphabet.
var usual = []string{"sent", "acked", "received", "joined", "closed", "deliver", "ack", "join", "back", "connections"}

// ordered are the names of the map in the usual order.
func ordered[V any](named map[string]V) []string {
	return slices.SortedFunc(maps.Keys(named), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
}

func rank(name string) int {
	if i := slices.Index(usual, name); i >= 0 {
		return i
	}
	return len(usual)
}

// codes are the errors among counts, by their codes; others are the rest.
func codes(counts map[string]int64) (codes, others map[string]int64) {
	codes, others = map[string]int64{}, map[string]int64{}
	for name, n := range counts {
		if code, ok := strings.CutPrefix(name, errorPrefix); ok {
			codes[code] = n
		} else {
			others[name] = n
		}
	}
	return codes, others
}

// unitOf is what a gauge is measured in, by the words of its name: cpu is a ratio of
// one core, memory bytes.
func unitOf(gauge string) string {
	words := strings.FieldsFunc(strings.ToLower(gauge), func(c rune) bool { return !unicode.IsLetter(c) })
	switch {
	case slices.Contains(words, "cpu"):
		return UnitRatio
	case slices.Contains(words, "memory"):
		return UnitBytes
	}
	return UnitCount
}
