package contract

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// rawClient is one connection. Everything that it reads is held to what a
// server may send.
type rawClient struct {
	*testing.T
	seat *rawSeat
	// wire is the TCP connection, conn what is spoken over: it, or TLS.
	wire *rawCork
	conn net.Conn
	in   *bufio.Reader
}

// dial connects without saying anything.
func (seat *rawSeat) dial(t *testing.T) *rawClient {
	t.Helper()
	address := seat.server.url[strings.Index(seat.server.url, "://")+3:]
	nc, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	c := &rawClient{T: t, seat: seat, wire: &rawCork{Conn: nc}}
	c.conn = c.wire
	c.soon()
	if seat.server.tls != nil {
		secure := tls.Client(c.wire, seat.server.tls)
		if err := secure.HandshakeContext(t.Context()); err != nil {
			t.Fatalf("the TLS handshake: %v", err)
		}
		c.conn = secure
	}
	c.in = bufio.NewReaderSize(c.conn, 32<<10)
	return c
}

// join connects, says all of it in one segment: the upgrade request and what is
// to stand behind it, and reads the answers to the upgrade and to the join.
func (seat *rawSeat) join(t *testing.T, behind ...[]byte) *rawClient {
	t.Helper()
	c := seat.dial(t)
	c.write(append([][]byte{seat.upgrade()}, behind...)...)
	c.welcomed()
	return c
}

// soon gives all that follows a deadline.
func (c *rawClient) soon() {
	c.Helper()
	if err := c.wire.SetDeadline(time.Now().Add(patience)); err != nil {
		c.Fatal(err)
	}
}

// write sends pieces in one segment.
func (c *rawClient) write(pieces ...[]byte) {
	c.Helper()
	c.soon()
	var all []byte
	for _, piece := range pieces {
		all = append(all, piece...)
	}
	if _, err := c.conn.Write(all); err != nil {
		c.Fatalf("writing: %v", err)
	}
}

// answer reads the answer to the upgrade.
func (c *rawClient) answer() *http.Response {
	c.Helper()
	c.soon()
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.Fatalf("reading the answer to the upgrade: %v", err)
	}
	return response
}

// switched reads the answer to the upgrade, which must be the switch.
func (c *rawClient) switched() *http.Response {
	c.Helper()
	response := c.answer()
	if response.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(response.Body)
		c.Fatalf("got status %d with %s, want 101", response.StatusCode, body)
	}
	return response
}

// welcomed reads the answers to the upgrade and to the join.
func (c *rawClient) welcomed() *http.Response {
	c.Helper()
	response := c.switched()
	c.expect("joined")
	return response
}

// rawIn is a frame of the server.
type rawIn struct {
	op      byte
	payload string
}

func (f rawIn) String() string { return fmt.Sprintf("opcode %d with %.200q", f.op, f.payload) }

// read returns the next frame, whatever it is, after holding it to RFC 6455.
func (c *rawClient) read() (rawIn, error) {
	c.Helper()
	var head [10]byte
	if _, err := io.ReadFull(c.in, head[:2]); err != nil {
		return rawIn{}, err
	}
	f := rawIn{op: head[0] & 15}
	if head[0]&0x70 != 0 || head[1]&rawMasked != 0 || head[0]&rawFin == 0 {
		c.Fatalf("got a frame that begins with %#x, want FIN, no reserved bit and no mask", head[:2])
	}
	length := uint64(head[1])
	least := uint64(0)
	switch length {
	case 126:
		least = 126
		if _, err := io.ReadFull(c.in, head[2:4]); err != nil {
			return f, fmt.Errorf("a frame cut off: %w", err)
		}
		length = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		least = 1 << 16
		if _, err := io.ReadFull(c.in, head[2:]); err != nil {
			return f, fmt.Errorf("a frame cut off: %w", err)
		}
		length = binary.BigEndian.Uint64(head[2:])
	}
	if length < least || length > maxFrame || f.op >= rawClose && length > 125 {
		c.Fatalf("got a length of %d in %#x, want the shortest encoding of one that may be", length, head)
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(c.in, payload); err != nil {
		return f, fmt.Errorf("a frame cut off: %w", err)
	}
	f.payload = string(payload)
	c.judge(f)
	return f, nil
}

// judge holds a frame's payload to what its kind may carry.
func (c *rawClient) judge(f rawIn) {
	c.Helper()
	text := f.payload
	switch f.op {
	case rawText:
		if err := documents.ServerFrame([]byte(text)); err != nil {
			c.Errorf("got a frame that the AsyncAPI document does not have: %v", err)
		}
	case rawPing, rawPong:
		return
	case rawClose:
		if len(text) == 1 {
			c.Errorf("got a close frame of one byte")
		}
		text = text[min(2, len(text)):]
	default:
		c.Errorf("got %v, want text and control frames only", f)
	}
	if !utf8.ValidString(text) {
		c.Errorf("got %v, want UTF-8", f)
	}
}

// next returns the next frame but for presence, which comes whenever it likes.
func (c *rawClient) next() (rawIn, error) {
	c.Helper()
	for {
		f, err := c.read()
		if err != nil || f.op != rawText || !strings.HasPrefix(f.payload, `{"type":"presence"`) {
			return f, err
		}
	}
}

// expect returns the next text frame, which must be of a type.
func (c *rawClient) expect(kind string) frame {
	c.Helper()
	c.soon()
	got, err := c.next()
	if err != nil {
		c.Fatalf("got the end %v, want %s", err, kind)
	}
	var f frame
	if got.op == rawText {
		if err := json.Unmarshal([]byte(got.payload), &f); err != nil {
			c.Fatalf("got %v: %v", got, err)
		}
	}
	if f.Type != kind {
		c.Fatalf("got %v, want %s", got, kind)
	}
	return f
}

// answered reads the answers to rawAsk, which come in the order of the questions.
func (c *rawClient) answered(ids ...string) {
	c.Helper()
	for _, id := range ids {
		if f := c.expect("history"); f.ID != id {
			c.Fatalf("got the answer to %q, want that to %q", f.ID, id)
		}
	}
}

// ponged reads one pong.
func (c *rawClient) ponged(payload string) {
	c.Helper()
	c.soon()
	if f, err := c.next(); err != nil || f != (rawIn{rawPong, payload}) {
		c.Fatalf("got %v, %v, want a pong with %.200q", f, err, payload)
	}
}

// alive asks something and waits for the answer.
func (c *rawClient) alive() {
	c.Helper()
	id := unique("alive")
	c.write(rawTextFrame(rawAsk(id)))
	c.answered(id)
}

// rawNoCode stands for a close frame without a body.
const rawNoCode = 0

// ended reads a close frame with a code, and the end of the connection behind it.
func (c *rawClient) ended(code int) {
	c.Helper()
	c.soon()
	f, err := c.next()
	if err != nil {
		c.Fatalf("got the end %v, want a close frame with %d", err, code)
	}
	got := rawNoCode
	if len(f.payload) >= 2 {
		got = int(binary.BigEndian.Uint16([]byte(f.payload)))
	}
	if f.op != rawClose || got != code {
		c.Fatalf("got %v (%d), want a close frame with %d", f, got, code)
	}
	if f, err := c.read(); !errors.Is(err, io.EOF) {
		c.Fatalf("got %v, %v behind the close frame, want the end", f, err)
	}
}
