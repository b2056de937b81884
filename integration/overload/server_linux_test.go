package overload

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// server is one on a core of its own.
type server struct {
	*testing.T
	*stand.Server
	port   int
	tokens []string
}

// pin lets all threads of this process, and whom they start, run on one core.
func pin(t *testing.T, core int) {
	t.Helper()
	var set unix.CPUSet
	set.Set(core % runtime.NumCPU())
	for range 2 { // threads that begin meanwhile are where the one was that began them
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.SchedSetaffinity(id, &set); err != nil && !errors.Is(err, unix.ESRCH) { // it may have ended
				t.Fatalf("pin %d: %v", id, err)
			}
		}
	}
}

// start runs a server on the first core; this process stays on the second. People
// p0, p1, … have tokens.
func start(t *testing.T, people int) *server {
	t.Helper()
	pin(t, 0)
	key := filepath.Join(t.TempDir(), "token.key")
	if err := os.WriteFile(key, bytes.Repeat([]byte("k"), 64), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{T: t, Server: binary.StartOn(t, memory(t), "--token-key", key, "--send-rate", "0")}
	pin(t, 1)
	var cores unix.CPUSet
	if err := unix.SchedGetaffinity(s.PID(), &cores); err != nil || cores.Count() != 1 || !cores.IsSet(0) {
		t.Fatalf("the server has %d cores, want the first alone: %v", cores.Count(), err)
	}
	var names bytes.Buffer
	for i := range people {
		fmt.Fprintf(&names, "p%d\n", i)
	}
	sign := binary.Command("token", "--token-key", key, "-")
	sign.Stdin = &names
	out, err := sign.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		_, token, _ := strings.Cut(strings.TrimSpace(line), "\t")
		s.tokens = append(s.tokens, token)
	}
	if s.port, err = strconv.Atoi(s.Address()[strings.LastIndex(s.Address(), ":")+1:]); err != nil {
		t.Fatal(err)
	}
	return s
}

// memory is a folder whose disk is memory, so that the core is what there is too little
// of, and nobody else's writes are measured.
func memory(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "breakwater-") //nolint:usetesting // t.TempDir is on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// room makes one.
func (s *server) room(name string) int {
	s.Helper()
	var made struct{ ID int }
	if _, err := stand.Call(s.Context(), "POST", s.URL+"/v1/chatrooms", s.tokens[0], map[string]string{"name": name}, &made); err != nil {
		s.Fatal(err)
	}
	return made.ID
}

// request is the join of one of the people.
func (s *server) request(person, room int, since string) string {
	query := url.Values{"user": {fmt.Sprint("p", person)}, "token": {s.tokens[person]}}
	return fmt.Sprintf("GET /v1/chatrooms/%d/join?%s%s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", room, query.Encode(), since)
}

// cpu is the time that the server has had of its core, in a unit of 10 ms.
func (s *server) cpu() time.Duration {
	s.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.PID()))
	if err != nil {
		s.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// resident is the memory of the server, in MiB.
func (s *server) resident() int {
	s.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		s.Fatal(err)
	}
	_, status, _ = bytes.Cut(status, []byte("VmRSS:"))
	kib, _ := strconv.Atoi(strings.Fields(string(status))[0])
	return kib >> 10
}

// ready tells whether the server wants new people.
func (s *server) ready() bool {
	response, err := stand.Call(s.Context(), "GET", s.URL+"/readyz", "", nil, nil)
	return err == nil && response.StatusCode == http.StatusOK
}
