package contract

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// hostileBody is a sign-up of a size, made of spaces mostly.
func hostileBody(size int) string {
	body := fmt.Sprintf(`{"name":%q}`, unique("big"))
	return body + strings.Repeat(" ", size-len(body))
}

// TestHostileBodies sends bodies at and over the limit, and promises of some.
func TestHostileBodies(t *testing.T) {
	t.Parallel()
	const limit, mebibyte = 64 << 10, 1 << 20
	length := func(n int, sent string) string {
		return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", hostilePost, n, sent)
	}
	chunks := func(sent string, size int) string {
		var b strings.Builder
		b.WriteString(hostilePost + "Transfer-Encoding: chunked\r\n\r\n")
		for len(sent) > 0 {
			n := min(size, len(sent))
			fmt.Fprintf(&b, "%x\r\n%s\r\n", n, sent[:n])
			sent = sent[n:]
		}
		return b.String() + "0\r\n\r\n"
	}
	form := "Content-Type: multipart/form-data; boundary=x\r\n"
	rows := []hostileRow{
		{"the limit, declared", length(limit, hostileBody(limit)), 201, ""},
		{"the limit, in chunks", chunks(hostileBody(limit), 1000), 201, ""},
		{"the limit, in chunks of a byte", chunks(hostileBody(limit), 1), 201, ""},
		{"a byte more, declared", length(limit+1, hostileBody(limit+1)), 413, "body_too_large"},
		{"a byte more, declared and not sent", length(limit+1, ""), 413, "body_too_large"},
		{"a byte more, in chunks", chunks(hostileBody(limit+1), 1000), 413, "body_too_large"},
		{"a byte more, in one chunk", chunks(hostileBody(limit+1), mebibyte), 413, "body_too_large"},
		{"a byte more, as a form", strings.Replace(length(limit+1, hostileBody(limit+1)), "Connection", form+"Connection", 1), 413, "body_too_large"},
		{"ten mebibytes, declared", length(10*mebibyte, hostileBody(10*mebibyte)), 413, "body_too_large"},
		{"ten mebibytes, in chunks", chunks(hostileBody(10*mebibyte), 4096), 413, "body_too_large"},
		{"ten mebibytes, in one chunk", chunks(hostileBody(10*mebibyte), 10*mebibyte), 413, "body_too_large"},
		{"eight exbibytes, declared", length(1<<63-1, "{"), 413, "body_too_large"},
		{"a chunk of a tebibyte, declared", hostilePost + "Transfer-Encoding: chunked\r\n\r\n10000000000\r\n{", 413, "body_too_large"},
	}
	ends := hostileAll(rows, func(r hostileRow) hostileEnd { return hostileTalk(suite.Server, hostileSend(r.sent)) })
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			ends[i].judge(t, row.status, row.code)
		})
	}
	hostileServes(t, suite.Server)
}

// hostileGoOn is what a client that asks before it sends its body is told.
const hostileGoOn = "HTTP/1.1 100 Continue\r\n\r\n"

// TestHostileExpect asks before it sends a body (RFC 9110, section 10.1.1).
func TestHostileExpect(t *testing.T) {
	t.Parallel()
	ask := func(length int) string {
		return fmt.Sprintf("%sExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", hostilePost, length)
	}
	t.Run("a body over the limit is refused before it comes", func(t *testing.T) {
		t.Parallel()
		hostileTalk(suite.Server, hostileSend(ask(64<<10+1))).judge(t, http.StatusRequestEntityTooLarge, "body_too_large")
	})
	t.Run("a body within it is asked for", func(t *testing.T) {
		t.Parallel()
		body := hostileBody(100)
		end := hostileTalk(suite.Server, func(c net.Conn) { _, _ = io.WriteString(c, ask(len(body))+body) })
		rest, ok := bytes.CutPrefix(end.got, []byte(hostileGoOn))
		if !ok {
			t.Fatalf("got %q and the end %v, want 100 first", end.got, end.err)
		}
		end.got = rest
		end.judge(t, http.StatusCreated, "")
	})
}
