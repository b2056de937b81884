package contract

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// hostileDrip writes a text byte by byte, slower than any deadline allows, until
// it is cut off.
func hostileDrip(before, text string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := io.WriteString(c, before); err != nil {
			return
		}
		ticker := time.NewTicker(hostilePatience / time.Duration(len(text)))
		defer ticker.Stop()
		for i := range len(text) {
			<-ticker.C
			if _, err := io.WriteString(c, text[i:i+1]); err != nil {
				return
			}
		}
	}
}

// hostileUpgrade is the whole request of a join.
func (p *person) hostileUpgrade(r room) string {
	return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", r.path("/join"), p.Token)
}

// TestHostileSlowness lets clients stop in the middle of what they say, or say
// it slower than the deadline: all are told so, or closed, within the deadline.
func TestHostileSlowness(t *testing.T) {
	t.Parallel()
	p := newPerson(t, "Snail")
	upgrade := p.hostileUpgrade(p.newRoom())
	type row struct {
		name   string
		say    func(net.Conn)
		status int
		code   string
	}
	rows := []row{
		{"nothing", hostileSend(""), 0, ""},
		{"empty lines only", hostileSend("\r\n\r\n\r\n\r\n"), 0, ""},
		{"garbage without a line's end", hostileSend(strings.Repeat("\xfe", 1000)), 408, "request_timeout"},
		{"lines that end with LF only", hostileSend("GET /healthz HTTP/1.1\nHost: x\n\n"), 408, "request_timeout"},
		{"a request line byte by byte", hostileDrip("", "GET /"+strings.Repeat("x", 200)), 408, "request_timeout"},
		{"headers byte by byte", hostileDrip(hostileGet, "X: "+strings.Repeat("x", 200)), 408, "request_timeout"},
		{"a body byte by byte", hostileDrip(hostilePost+"Content-Length: 300\r\n\r\n", strings.Repeat(" ", 200)), 408, "request_timeout"},
		{"a chunk byte by byte", hostileDrip(hostilePost+"Transfer-Encoding: chunked\r\n\r\n12c\r\n", strings.Repeat(" ", 200)), 408, "request_timeout"},
		{"a chunk's extension byte by byte", hostileDrip(hostilePost+"Transfer-Encoding: chunked\r\n\r\n1;", strings.Repeat("x", 200)), 400, "bad_request"},
		{"no body after a promise to wait", hostileSend(hostilePost + "Content-Length: 3\r\n\r\n"), 408, "request_timeout"},
		{"no body after it was asked for", hostileSend(hostilePost + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"), 408, "request_timeout"},
		// Closed without an answer: the time to write is over by then, too.
		{"a second request byte by byte", hostileDrip("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /"+strings.Repeat("x", 200)), 200, ""},
	}
	for cut := 50; cut < len(upgrade); cut += 50 {
		rows = append(rows,
			row{fmt.Sprintf("an upgrade cut at byte %d, then silence", cut), hostileSend(upgrade[:cut]), 408, "request_timeout"},
			row{fmt.Sprintf("an upgrade cut at byte %d, then no more", cut), func(c net.Conn) {
				_, _ = io.WriteString(c, upgrade[:cut])
				_ = c.(*net.TCPConn).CloseWrite()
			}, 400, "bad_request"})
	}
	ends := hostileAll(rows, func(r row) hostileEnd { return hostileTalk(suite.Server, r.say) })
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			ends[i].got = bytes.TrimPrefix(ends[i].got, []byte(hostileGoOn))
			ends[i].judge(t, row.status, row.code)
			if took := ends[i].took; strings.HasSuffix(row.name, "then no more") && took > hostileDeadline/2 {
				t.Errorf("got the end after %v, want it soon: the client has said that nothing more comes", took)
			}
		})
	}
	hostileServes(t, suite.Server)
}
