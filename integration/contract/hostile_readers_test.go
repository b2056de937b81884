package contract

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// hostileNarrow opens a connection whose kernel takes next to nothing that is
// not read.
func hostileNarrow(s *stand.Server) (net.Conn, error) {
	dialer := net.Dialer{Timeout: patience, Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		return errors.Join(raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10)
		}), err)
	}}
	return dialer.Dial("tcp", s.Address())
}

// hostilePage is the least size of the pages that TestHostileReaders asks for:
// more than kernels buffer, of messages that are six times as long in JSON.
const (
	hostileLongText = 2_500
	hostilePage     = 500 * 6 * hostileLongText
)

// TestHostileReaders asks for pages of seven megabytes and takes them slowly or
// not at all: the server waits no longer than its deadline for that.
func TestHostileReaders(t *testing.T) {
	t.Parallel()
	p := newPerson(t, "Sloth")
	r := p.newRoom()
	filler := p.join(r)
	for i := range 500 {
		filler.say(fmt.Sprintf("m%d", i), strings.Repeat("\x01", hostileLongText))
	}
	for range 2 * 500 { // an ack and a message each
		if f := filler.next(); f.Type == "error" {
			t.Fatalf("got %+v, want messages", f)
		}
	}
	ask := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", r.path("/messages?limit=500"), p.Token)
	type row struct {
		name string
		talk func(c net.Conn, ask string) error
	}
	rows := []row{
		{"ten kilobytes a second", hostileTaste},
		{"nothing, and more is asked for", hostileAskOn},
	}
	ends := hostileAll(rows, func(row row) error {
		c, err := hostileNarrow(suite.Server)
		if err != nil {
			return err
		}
		defer c.Close()
		return row.talk(c, ask)
	})
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if ends[i] != nil {
				t.Error(ends[i])
			}
		})
	}
	p.get(r.path("/messages?limit=500")).ok(http.StatusOK, nil)
}

// hostileTaste asks once and, when the answer has begun, reads slowly until the
// deadline is over, then what is still on its way: it must not be the whole page.
func hostileTaste(c net.Conn, ask string) error {
	if _, err := io.WriteString(c, ask); err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Now().Add(hostilePatience)); err != nil {
		return err
	}
	got, err := io.CopyN(io.Discard, c, 1)
	if err = errors.Join(err, c.SetReadDeadline(time.Time{})); err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(hostileDeadline + 2*time.Second); time.Now().Before(end); <-ticker.C {
		n, err := io.CopyN(io.Discard, c, 1<<10)
		if got += n; err != nil {
			return fmt.Errorf("after %d bytes: %w", got, err)
		}
	}
	if err := c.SetReadDeadline(time.Now().Add(hostilePatience - hostileDeadline)); err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, c)
	got += n
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("not cut off after %d bytes: %w", got, err)
	}
	if got >= hostilePage {
		return fmt.Errorf("got %d bytes, want the connection closed within a page of %d", got, hostilePage)
	}
	return nil
}

// hostileAskOn asks again and again and reads nothing, until it is cut off.
func hostileAskOn(c net.Conn, ask string) error {
	if err := c.SetWriteDeadline(time.Now().Add(hostilePatience)); err != nil {
		return err
	}
	var err error
	for err == nil {
		_, err = io.WriteString(c, ask)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("not cut off within %v: %w", hostilePatience, err)
	}
	return nil
}
