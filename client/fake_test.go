package client

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// world is a client and a scripted server in a bubble where time passes when
// nobody has anything to do.
type world struct {
	*testing.T
	*Client
	// answer, if set, refuses handshakes; nil from it lets one pass.
	answer func(*http.Request) *http.Response
	tokens []string // what was rejected, a call of the token source each

	mu     sync.Mutex
	events []Event
	peers  []*peer
	random float64
	// block, if set, holds the application up.
	block chan struct{}
}

// inWorld runs a test with a client of the user Ann. Options change its Config.
func inWorld(t *testing.T, test func(*world), options ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, random: 0.5}
		cfg := Config{URL: "http://chat.test", User: "Ann", Dial: w.dial, OnEvent: w.take}
		cfg.Token = func(_ context.Context, rejected string) (string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.tokens = append(w.tokens, rejected)
			return fmt.Sprintf("token-%d", len(w.tokens)), nil
		}
		for _, option := range options {
			option(&cfg)
		}
		var err error
		if w.Client, err = New(cfg); err != nil {
			t.Fatal(err)
		}
		w.Client.random = func() float64 {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.random
		}
		defer func() {
			w.Close()
			for _, p := range w.all() {
				p.drop()
			}
			synctest.Wait()
		}()
		test(w)
	})
}

func (w *world) take(e Event) {
	w.mu.Lock()
	w.events = append(w.events, e)
	block := w.block
	w.mu.Unlock()
	if block != nil {
		<-block
	}
}

// told are the events of one type so far.
func told[E Event](w *world) (all []E) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e, ok := e.(E); ok {
			all = append(all, e)
		}
	}
	return all
}

// seqs are those of the messages that the application was given of a room.
func (w *world) seqs(room bw.RoomID) (seqs []bw.Seq) {
	for _, m := range told[Message](w) {
		if m.Room == room {
			seqs = append(seqs, m.Seq)
		}
	}
	return seqs
}

func (w *world) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	p := &peer{w: w, conn: far}
	go p.serve()
	return near, nil
}

func (w *world) all() []*peer {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*peer(nil), w.peers...)
}

// count is how many connections there were so far.
func (w *world) count() int {
	synctest.Wait()
	return len(w.all())
}

// peer is the newest connection.
func (w *world) peer() *peer {
	w.Helper()
	synctest.Wait()
	all := w.all()
	if len(all) == 0 {
		w.Fatal("got no connection, want one")
	}
	return all[len(all)-1]
}

// await lets time pass until there are n connections, and says how much it took.
func (w *world) await(n int) time.Duration {
	w.Helper()
	began := time.Now()
	for w.count() < n {
		if time.Since(began) > time.Hour {
			w.Fatalf("got %d connections in an hour, want %d", w.count(), n)
		}
		<-time.After(10 * time.Millisecond)
	}
	return time.Since(began)
}

// pass lets time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// startJoined joins room 1 at seq 0 of epoch 1.
func (w *world) startJoined() *peer {
	w.Helper()
	w.Join(1)
	p := w.peer()
	p.say(joined(1, 0, false))
	synctest.Wait()
	return p
}

// peer is the server's end of one connection.
type peer struct {
	w    *world
	conn net.Conn
	url  string
	auth string

	mu     sync.Mutex
	frames []wire.ClientFrame
	pongs  int
	code   wire.CloseCode // of the client's close frame
	ended  bool
}

func (p *peer) serve() {
	defer p.conn.Close()
	r := bufio.NewReader(p.conn)
	request, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	p.url, p.auth = request.URL.String(), request.Header.Get("Authorization")
	p.w.mu.Lock()
	answer := p.w.answer
	p.w.mu.Unlock()
	if answer != nil {
		if refusal := answer(request); refusal != nil {
			p.list()
			refusal.ProtoMajor, refusal.ProtoMinor = 1, 1
			_ = refusal.Write(p.conn)
			return
		}
	}
	upgrader := ws.Upgrader{}
	head := "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
		request.Header.Get("Sec-WebSocket-Key") + "\r\n\r\n"
	if _, err := upgrader.Upgrade(struct {
		io.Reader
		io.Writer
	}{strings.NewReader(head), p.conn}); err != nil {
		return
	}
	p.list()
	for p.read(r) {
	}
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
}

func (p *peer) list() {
	p.w.mu.Lock()
	p.w.peers = append(p.w.peers, p)
	p.w.mu.Unlock()
}

func (p *peer) read(r io.Reader) bool {
	h, err := ws.ReadHeader(r)
	if err != nil {
		return false
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(r, payload); err != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !h.Masked {
		p.w.Error("got a frame without a mask")
	}
	ws.Cipher(payload, h.Mask, 0)
	switch h.OpCode {
	case ws.OpPong:
		p.pongs++
	case ws.OpClose:
		p.code = closeCode(payload)
		return false
	case ws.OpText:
		frame, err := wire.Limits{}.ParseClientFrame(payload)
		if err != nil {
			p.w.Errorf("got the frame %s: %v", payload, err)
		}
		p.frames = append(p.frames, frame)
	}
	return true
}

// say sends the payload of a text frame.
func (p *peer) say(payload []byte) {
	p.raw(append(wire.AppendFrameHeader(nil, wire.OpText, len(payload)), payload...))
}

func (p *peer) raw(bytes []byte) {
	_, _ = p.conn.Write(bytes) // a client that is gone is looked at by what it does
}

// close ends the connection with a code.
func (p *peer) close(code wire.CloseCode) {
	p.raw(wire.AppendCloseFrame(nil, code, ""))
	synctest.Wait()
	p.drop()
}

// drop ends the connection without a word.
func (p *peer) drop() {
	_ = p.conn.Close()
	synctest.Wait()
}

// got are the client's frames of a type so far.
func (p *peer) got(kind string) (all []wire.ClientFrame) {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.frames {
		if f.Type == kind {
			all = append(all, f)
		}
	}
	return all
}

// last is the newest of the client's frames of a type.
func (p *peer) last(kind string) wire.ClientFrame {
	p.w.Helper()
	all := p.got(kind)
	if len(all) == 0 {
		p.w.Fatalf("got no %s frame, want one", kind)
	}
	return all[len(all)-1]
}

func (p *peer) closedWith() (code wire.CloseCode, ended bool) {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.code, p.ended
}

func message(room bw.RoomID, seq bw.Seq) bw.Message {
	return bw.Message{Room: room, Epoch: 1, Seq: seq, ID: bw.MessageID(fmt.Sprint("m", seq)), User: "Bob", Text: fmt.Sprint("text ", seq), Timestamp: bw.Millis(seq)}
}

func live(room bw.RoomID, seq bw.Seq) []byte {
	m := message(room, seq)
	return wire.AppendMessage(nil, &m)
}

// joined is the playback of a room in epoch 1 up to a seq.
func joined(room bw.RoomID, seq bw.Seq, recovered bool, messages ...bw.Message) []byte {
	return joinedAs("", room, bw.Position{Epoch: 1, Seq: seq}, recovered, messages...)
}

func joinedAs(id string, room bw.RoomID, at bw.Position, recovered bool, messages ...bw.Message) []byte {
	payload := wire.AppendJoinedHead(nil, id, room, at, recovered)
	for i := range messages {
		if i > 0 {
			payload = append(payload, ',')
		}
		payload = wire.AppendMessageObject(payload, &messages[i])
	}
	return wire.AppendJoinedTail(payload, 1)
}

// messages are those from a seq to another of room 1.
func messages(from, to bw.Seq) (all []bw.Message) {
	for seq := from; seq <= to; seq++ {
		all = append(all, message(1, seq))
	}
	return all
}

func ack(f wire.ClientFrame, seq bw.Seq, duplicate bool) []byte {
	return wire.AppendAck(nil, f.ID, f.Room, bw.Position{Epoch: 1, Seq: seq}, bw.Millis(seq), duplicate)
}

func refuse(id string, kind bw.Kind, retry time.Duration) []byte {
	payload := fmt.Sprintf(`{"type":"error","id":%q,"code":%q,"detail":"no"`, id, kind)
	if retry > 0 {
		payload += fmt.Sprintf(`,"retry_after_ms":%d`, retry.Milliseconds())
	}
	return []byte(payload + "}")
}

// status refuses a handshake.
func status(code int, kind bw.Kind, retryAfter string) func(*http.Request) *http.Response {
	return func(*http.Request) *http.Response {
		body := fmt.Sprintf(`{"type":"about:blank","status":%d,"title":"no","detail":"no","code":%q}`, code, kind)
		answer := &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
		if retryAfter != "" {
			answer.Header.Set("Retry-After", retryAfter)
		}
		return answer
	}
}

// refuseWith makes the server refuse handshakes; nil lets them pass again.
func (w *world) refuseWith(answer func(*http.Request) *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

// sent is a send that was started, and how it ended.
type sent struct {
	w     *world
	mu    sync.Mutex
	ended bool
	ack   Ack
	err   error
}

func (w *world) post(room bw.RoomID, id, text string) *sent {
	w.Helper()
	s := &sent{w: w}
	err := w.Post(room, id, text, func(a Ack, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.ended {
			w.Error("a send was answered twice")
		}
		s.ended, s.ack, s.err = true, a, err
	})
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// waits fails if the send has ended.
func (s *sent) waits() {
	s.w.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		s.w.Fatalf("got the answer %+v (%v), want none yet", s.ack, s.err)
	}
}

func (s *sent) stored(at bw.Seq) {
	s.w.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended || s.err != nil || s.ack.Seq != at {
		s.w.Fatalf("got %+v (%v, ended: %t), want it stored at %d", s.ack, s.err, s.ended, at)
	}
}

func (s *sent) failed(want error) {
	s.w.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended || !errors.Is(s.err, want) {
		s.w.Fatalf("got %+v (%v, ended: %t), want %v", s.ack, s.err, s.ended, want)
	}
}

// wantState fails unless the client is in a phase for a reason.
func (w *world) wantState(phase Phase, reason string) State {
	w.Helper()
	synctest.Wait()
	s := w.State()
	if s.Phase != phase || s.Reason != reason {
		w.Fatalf("got %s because of %s, want %s because of %s", s.Phase, s.Reason, phase, reason)
	}
	return s
}

func ping(payload string) []byte {
	return append(wire.AppendFrameHeader(nil, wire.OpPing, len(payload)), payload...)
}

func fragment(fin bool, op byte, payload string) []byte {
	frame := append(wire.AppendFrameHeader(nil, op, len(payload)), payload...)
	if !fin {
		frame[0] &^= 0x80
	}
	return frame
}

func bigEndian(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func milliseconds(all ...int64) (durations []time.Duration) {
	for _, n := range all {
		durations = append(durations, time.Duration(n)*time.Millisecond)
	}
	return durations
}
