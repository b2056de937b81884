//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// subject is a server that can be measured: how to start it, how to join it.
type subject interface {
	// start begins a new process on what earlier ones stored.
	start() (*process, error)
	// prepare makes the rooms, named by their number, before anybody joins.
	prepare(server *process, rooms int) error
	// request is the target of the upgrade request of user i into a room of
	// those prepared last, counted from 0.
	request(i, room int) string
}

// breakwater is the real binary, embedded, in a folder of its own.
type breakwater struct {
	binary, dir string
	// tokens of the users, by number.
	tokens []string
	// rooms are the ids of the rooms prepared last.
	rooms []int
	made  int
}

func newBreakwater(binary, dir string, users int) (*breakwater, error) {
	b := &breakwater{binary: binary, dir: dir}
	if err := os.WriteFile(b.key(), []byte("a key for the length of one benchmark run"), 0o600); err != nil {
		return nil, fmt.Errorf("writing the key: %w", err)
	}
	var names strings.Builder
	for i := range users {
		fmt.Fprintln(&names, nameOf(i))
	}
	issue := exec.Command(binary, "token", "--token-key", b.key(), "-")
	issue.Stdin, issue.Stderr = strings.NewReader(names.String()), os.Stderr
	lines, err := issue.Output()
	if err != nil {
		return nil, fmt.Errorf("issuing tokens: %w", err)
	}
	for line := range strings.Lines(string(lines)) {
		_, token, _ := strings.Cut(strings.TrimSpace(line), "\t")
		b.tokens = append(b.tokens, token)
	}
	if len(b.tokens) != users {
		return nil, fmt.Errorf("issuing tokens: got %d, want %d", len(b.tokens), users)
	}
	return b, nil
}

func (b *breakwater) key() string { return filepath.Join(b.dir, "token.secret") }

func (b *breakwater) start() (*process, error) {
	return start(filepath.Join(b.dir, "breakwater.log"), b.binary, "serve", "--listen", "127.0.0.1:0",
		"--data", filepath.Join(b.dir, "data"), "--token-key", b.key(), "--send-rate", "0")
}

func (b *breakwater) prepare(server *process, rooms int) error {
	b.rooms = b.rooms[:0]
	for range rooms {
		b.made++
		id, err := b.createRoom(server, fmt.Sprintf("room %d", b.made))
		if err != nil {
			return fmt.Errorf("making a room: %w", err)
		}
		b.rooms = append(b.rooms, id)
	}
	return nil
}

func (b *breakwater) createRoom(server *process, name string) (id int, err error) {
	body, err := json.Marshal(map[string]string{"name": name})
	if err != nil {
		return 0, err
	}
	url := fmt.Sprintf("http://127.0.0.1:%d/v1/chatrooms", server.port)
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+b.tokens[0])
	request.Close = true // leave no connection behind that would count
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	answer, err := io.ReadAll(response.Body)
	err = errors.Join(err, response.Body.Close())
	if err == nil && response.StatusCode != http.StatusCreated {
		err = fmt.Errorf("got %s: %s", response.Status, answer)
	}
	var room struct{ ID int }
	return room.ID, errors.Join(err, json.Unmarshal(answer, &room))
}

func (b *breakwater) request(i, room int) string {
	return fmt.Sprintf("/v1/chatrooms/%d/join?user=%s&token=%s", b.rooms[room], nameOf(i), b.tokens[i])
}

// floor is the reference, run as a process of its own.
type floor struct{ dir string }

func (f floor) start() (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the benchmark's own binary: %w", err)
	}
	return start(filepath.Join(f.dir, "reference.log"), self, "-reference")
}

func (floor) prepare(*process, int) error { return nil }

func (floor) request(i, _ int) string { return "/join?user=" + nameOf(i) + "&" }
