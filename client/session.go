package client

import (
	"context"
	"net"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

const (
	handshakeTimeout = 15 * time.Second
	// silence is how long nothing may be heard of a server, which pings every 25 s.
	silence = 60 * time.Second
	// slack is how late silence may be noticed: so rarely is the deadline moved.
	slack = 5 * time.Second
	// writeTimeout is how long a server may take nothing.
	writeTimeout = 20 * time.Second
	// closeTimeout is how long it may take the last of it, after which nobody asks.
	closeTimeout = time.Second
	// maxUnwritten bounds what waits to be written, in bytes. Messages and requests
	// are bounded elsewhere; it is for a server that asks and does not listen.
	maxUnwritten = 8 << 20
)

// session is one WebSocket. Its goroutine, run, makes it, reads it and ends with
// it; a second one, drainOut, is there only while something is to be written.
type session struct {
	c    *Client
	room bw.RoomID // of the URL
	// since is where to go on in that room, nil for a first join.
	since  *bw.Position
	ctx    context.Context
	cancel context.CancelFunc

	// The rest is guarded by Client.mu.
	conn  net.Conn // nil until the handshake is done
	token string
	// rooms are those that were asked for: true once the server said `joined`.
	rooms map[bw.RoomID]bool
	// first is the join by the URL, which is answered without an id.
	first    *request
	openedAt time.Time
	// busy while what was read is worked on: nothing is heard then, and that is not
	// the server's fault.
	busy bool
	out  []byte
	// writing is set while drainOut runs, closing when nothing is to be added, ended
	// when the reader has stopped.
	writing, closing, ended bool
	leaveAt, drainUntil     time.Time // set by a drain frame
}

func newSession(c *Client, first *feed) *session {
	s := &session{c: c, room: first.room, since: first.position(), rooms: map[bw.RoomID]bool{first.room: false}}
	s.ctx, s.cancel = context.WithCancel(c.ctx)
	return s
}

// in tells whether the session follows a room; a nil session follows none.
func (s *session) in(room bw.RoomID) bool { return s != nil && s.conn != nil && s.rooms[room] }

// run is the life of the session.
func (s *session) run() {
	defer s.cancel()
	conn, src, err := s.handshake()
	s.c.mu.Lock()
	if err != nil || s.closing {
		if err == nil {
			_ = conn.Close() // given up meanwhile
		} else {
			s.c.refused(s, err)
		}
		s.c.unlockAndDeliver()
		return
	}
	s.conn, s.openedAt = conn, time.Now()
	s.c.opened(s)
	s.c.unlockAndDeliver()

	code := s.read(newFrameReader(src))
	s.c.mu.Lock()
	s.finish(code)
	if s.ended = true; !s.writing {
		_ = conn.Close()
	}
	s.c.lost(s, code)
	s.c.unlockAndDeliver()
}

// read works off what the server sends until the connection ends, and says how.
func (s *session) read(frames *frameReader) wire.CloseCode {
	var deadline time.Time
	for {
		if now := time.Now(); deadline.Sub(now) < silence {
			deadline = now.Add(silence + slack)
			s.c.mu.Lock()
			if !s.closing {
				_ = s.conn.SetReadDeadline(deadline) // a broken connection tells by the read
			}
			s.c.mu.Unlock()
		}
		op, payload, err := frames.next()
		if err != nil {
			return wire.CloseAbnormal
		}
		if op == wire.OpClose {
			return closeCode(payload)
		}
		if !s.handle(op, payload) {
			return wire.CloseAbnormal
		}
	}
}

// handle works one message off and returns when the application has taken what
// it says. False means that the server cannot be trusted.
func (s *session) handle(op byte, payload []byte) bool {
	var frame wire.ServerFrame
	if op == wire.OpText {
		var err error
		if frame, err = wire.ParseServerFrame(payload); err != nil {
			return false
		}
	}
	c := s.c
	c.mu.Lock()
	if s.closing { // only the server's close frame is waited for
		c.mu.Unlock()
		return true
	}
	switch op {
	case wire.OpText:
		s.busy = true
		c.frame(s, &frame)
	case wire.OpPing:
		s.queue(wire.OpPong, payload)
	}
	c.unlockAndDeliver()
	if op == wire.OpText {
		c.mu.Lock()
		s.busy = false
		c.mu.Unlock()
	}
	return true
}

func (s *session) write(f *wire.ClientFrame) { s.queue(wire.OpText, wire.AppendClientFrame(nil, f)) }

// queue hands a frame to the writer. It never blocks. Called under mu.
func (s *session) queue(op byte, payload []byte) {
	if s.closing || s.conn == nil {
		return
	}
	if len(s.out) > maxUnwritten {
		s.abort()
		return
	}
	s.out = appendFrame(s.out, op, payload)
	s.startWriting()
}

func (s *session) startWriting() {
	if !s.writing {
		s.writing = true
		s.c.wg.Go(s.drainOut)
	}
}

// drainOut writes until nothing is left.
func (s *session) drainOut() {
	for s.writeOut() {
	}
}

// writeOut writes what there is; false when there was nothing.
func (s *session) writeOut() bool {
	s.c.mu.Lock()
	out := s.out
	s.out = nil
	s.writing = len(out) > 0
	switch {
	case s.writing && s.closing:
		_ = s.conn.SetWriteDeadline(time.Now().Add(closeTimeout))
	case s.writing:
		_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	case s.ended:
		_ = s.conn.Close()
	case s.closing: // the server has so long to answer
		_ = s.conn.SetReadDeadline(time.Now().Add(closeTimeout))
	}
	s.c.mu.Unlock()
	if len(out) == 0 {
		return false
	}
	if _, err := s.conn.Write(out); err != nil {
		s.c.mu.Lock()
		s.abort()
		s.c.mu.Unlock()
	}
	return true
}

// finish says good-bye, with the code that the server gave if it was first. The
// reader closes the connection when the server has answered. Called under mu.
func (s *session) finish(code wire.CloseCode) {
	if s.closing {
		return
	}
	s.closing = true
	if s.conn == nil {
		s.cancel()
		return
	}
	if code != wire.CloseAbnormal {
		s.out = appendClose(s.out, code)
	}
	if s.writing { // it may be stuck in a write that nobody takes
		_ = s.conn.SetWriteDeadline(time.Now().Add(closeTimeout))
	}
	s.startWriting()
}

// abort gives the connection up as dead: its reader and writer end at once.
// Called under mu.
func (s *session) abort() {
	s.closing, s.out = true, nil
	_ = s.conn.SetDeadline(time.Unix(1, 0))
}

// join asks for a further room. Called under mu.
func (s *session) join(f *feed) {
	if _, asked := s.rooms[f.room]; asked {
		return
	}
	s.rooms[f.room] = false
	r := s.c.ask(s, f.room, wire.TypeJoin)
	r.since = f.position()
	s.write(&wire.ClientFrame{Type: wire.TypeJoin, ID: r.id, Room: f.room, Since: r.since})
}

// leave leaves a room on the server. Called under mu.
func (s *session) leave(room bw.RoomID) {
	if _, asked := s.rooms[room]; !asked {
		return
	}
	delete(s.rooms, room)
	r := s.c.ask(s, room, wire.TypeLeave)
	s.write(&wire.ClientFrame{Type: wire.TypeLeave, ID: r.id, Room: room})
}
