package stand

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// Binary is a built server.
type Binary struct {
	path    string
	env     []string
	clocked bool
}

// Existing is a server that was built before.
func Existing(path string) Binary { return Binary{path: path} }

// With is the same server with further variables in its environment, NAME=VALUE each.
func (b Binary) With(env ...string) Binary {
	b.env = slices.Concat(b.env, env)
	return b
}

// WithClock is the same server with a wall clock that SetClock moves. It starts where
// clock.Supported says so.
func (b Binary) WithClock() Binary {
	b.clocked = true
	return b
}

// Command is a run of the binary with arguments, not started yet.
func (b Binary) Command(args ...string) *exec.Cmd {
	c := exec.Command(b.path, args...)
	c.Env = append(c.Environ(), b.env...)
	return c
}

// Tokens has the binary sign a token for each name with a cluster's key, in their order.
func (b Binary) Tokens(key string, names []string) ([]string, error) {
	sign := b.Command("token", "--token-key", key, "-")
	sign.Stdin = strings.NewReader(strings.Join(names, "\n") + "\n")
	var said bytes.Buffer
	sign.Stderr = &said
	out, err := sign.Output()
	if err != nil {
		return nil, fmt.Errorf("signing tokens: %w: %s", err, said.String())
	}
	var tokens []string
	for line := range strings.Lines(string(out)) {
		_, token, _ := strings.Cut(strings.TrimSpace(line), "\t")
		tokens = append(tokens, token)
	}
	if len(tokens) != len(names) {
		return nil, fmt.Errorf("signing tokens: got %d for %d names", len(tokens), len(names))
	}
	return tokens, nil
}

// Path is where the binary is.
func (b Binary) Path() string { return b.path }
