package report

import (
	"fmt"
	"strings"
)

// Verdict is a report in one word.
type Verdict string

// A run is broken if it ended before its time, whatever its checks say; failed if a check is not
// OK; passed otherwise.
const (
	Passed Verdict = "passed"
	Failed Verdict = "failed"
	Broken Verdict = "broken"
)

// Verdict judges the run.
func (r *Report) Verdict() Verdict {
	switch {
	case r.Broken != "":
		return Broken
	case r.failed() > 0:
		return Failed
	}
	return Passed
}

// Reason says in one sentence why the verdict is what it is.
func (r *Report) Reason() string {
	var parts []string
	if r.Broken != "" {
		parts = append(parts, r.Broken)
	}
	switch failed := r.failed(); {
	case failed > 0:
		parts = append(parts, fmt.Sprintf("%d of %s failed", failed, plural(len(r.Checks), "check")))
	case len(r.Checks) > 0:
		parts = append(parts, plural(len(r.Checks), "check")+" held")
	case r.Broken == "":
		parts = append(parts, "nothing was expected of it")
	}
	return strings.Join(parts, "; ")
}

func (r *Report) failed() int {
	failed := 0
	for _, check := range r.Checks {
		if !check.OK {
			failed++
		}
	}
	return failed
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprint(n, " ", thing, "s")
}

// shell writes the command so that a POSIX shell takes it as it was.
func (r *Report) shell() string {
	words := make([]string, len(r.Command))
	for i, word := range r.Command {
		words[i] = word
		if word == "" || strings.ContainsFunc(word, func(c rune) bool { return !strings.ContainsRune(plain, c) }) {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// plain are the characters that mean nothing to a shell.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,=+@%"
