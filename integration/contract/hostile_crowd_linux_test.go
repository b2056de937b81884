package contract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/integration/harness"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// hostileResident reads the resident memory of a server's process, in bytes.
func hostileResident(t *testing.T, s *stand.Server) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmRSS:"))
	kib, err := strconv.ParseInt(strings.TrimSpace(strings.SplitN(string(rest), "kB", 2)[0]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// hostileDescriptors counts the open descriptors of a server's process.
func hostileDescriptors(t *testing.T, s *stand.Server) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// hostileSiege is a crowd around one server in which two people chat.
type hostileSiege struct {
	name string
	size int
	sent string
	// room is by how much the crowd may make the server grow.
	room int64

	server      *stand.Server
	ada, bob    *socket
	resident    int64
	descriptors int
	grown       int64
	slowest     time.Duration
	chats       int
	ended       chan error
}

// begin starts the server and the chat, and measures before the crowd comes.
func (h *hostileSiege) begin(t *testing.T, binary harness.Binary) {
	t.Helper()
	h.server = binary.Start(t, "--send-rate", "0", "--signup-rate", "0")
	ada, bob := newPersonAt(t, h.server.URL, "Ada"), newPersonAt(t, h.server.URL, "Bob")
	r := ada.newRoom()
	h.ada, h.bob = ada.join(r), bob.join(r)
	h.chat()
	http.DefaultClient.CloseIdleConnections()
	h.slowest = 0
	h.resident, h.descriptors = hostileResident(t, h.server), hostileDescriptors(t, h.server)
	h.ended = make(chan error, 1)
}

// crowd opens the connections, from many addresses, and waits until the server
// has closed them all.
func (h *hostileSiege) crowd() error {
	var all []net.Conn
	defer func() {
		for _, c := range all {
			_ = c.Close()
		}
	}()
	for i := range h.size {
		dialer := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%50))}}
		c, err := dialer.Dial("tcp", h.server.Address())
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		all = append(all, c)
		_, _ = io.WriteString(c, h.sent) // it may be closed already
	}
	deadline := time.Now().Add(hostilePatience)
	for i, c := range all {
		if err := c.SetReadDeadline(deadline); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("connection %d is still open after %v", i, hostilePatience)
		}
	}
	return nil
}

// chat lets one person say something and waits until both have it.
func (h *hostileSiege) chat() {
	began := time.Now()
	h.ada.say(unique("chat"), "Still there?")
	h.bob.expect("message")
	h.ada.expectBoth("ack", "message")
	h.slowest = max(h.slowest, time.Since(began))
	h.chats++
}

// TestHostileCrowds besieges servers with clients that want nothing but room.
// Memory stays within bounds, chat goes on, all are closed by the deadline.
//
// It measures, so no other test of the package runs beside it.
func TestHostileCrowds(t *testing.T) {
	binary, err := harness.Build(t.TempDir(), "breakwater")
	if err != nil {
		t.Fatal(err)
	}
	p := newPerson(t, "Mallory")
	upgrade := p.hostileUpgrade(p.newRoom())
	const mebibyte = 1 << 20
	// What has begun to speak holds a goroutine and a buffer for its head, some 28
	// KiB, and as much again and more when it has promised a body; so the server
	// keeps few of them. All of these together would need twice what is allowed.
	sieges := []*hostileSiege{
		{name: "ten thousand that never speak", size: 10_000, room: 40 * mebibyte},
		{name: "five thousand with half an upgrade", size: 5_000, sent: upgrade[:len(upgrade)/2], room: 80 * mebibyte},
		{name: "three thousand that promise a body", size: 3_000, sent: hostilePost + "Content-Length: 65536\r\n\r\n{", room: 160 * mebibyte},
	}
	for _, h := range sieges {
		h.begin(t, binary)
	}
	for _, h := range sieges {
		go func() { h.ended <- h.crowd() }()
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	results := make(map[*hostileSiege]error)
	for len(results) < len(sieges) {
		for _, h := range sieges {
			select {
			case results[h] = <-h.ended:
			default:
			}
			h.chat()
			h.grown = max(h.grown, hostileResident(t, h.server)-h.resident)
		}
		<-ticker.C
	}
	for _, h := range sieges {
		t.Run(h.name, func(t *testing.T) {
			t.Logf("grew by %d KiB; the slowest of %d messages took %v", h.grown>>10, h.chats, h.slowest)
			if results[h] != nil {
				t.Error(results[h])
			}
			if h.slowest > hostileDeadline/2 {
				t.Errorf("got a message that took %v, want none that waits for the crowd to go", h.slowest)
			}
			if h.grown > h.room {
				t.Errorf("got %d KiB more of resident memory, want at most %d", h.grown>>10, h.room>>10)
			}
			hostileServes(t, h.server)
			hostileUntil(t, "the descriptors are back", patience, func() bool {
				http.DefaultClient.CloseIdleConnections()
				return hostileDescriptors(t, h.server) <= h.descriptors
			})
		})
	}
}
