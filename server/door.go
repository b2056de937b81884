package server

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// door admits joins, or refuses them, when the gate has their first bytes, and passes on as
// many at once as are done at once with profit; who comes back goes before who is new. The
// others wait where they cost a descriptor and nothing else: thousands of goroutines that
// want the processor keep it from those that accept connections and from those that finish
// what was admitted. A request that it cannot read whole goes on to the handler.
type door struct {
	server *Server
	let    chan net.Conn // who may go on; it has room for all who are inside

	// mu guards the rest.
	mu     sync.Mutex
	inside int
	queues [2][]net.Conn // of who comes back, and of who is new
	turns  map[net.Conn]*turn
}

// turn is that of a join which was let in.
type turn struct {
	leave func(finished bool) // of the Hub
	lent  *time.Timer         // its place inside
}

const (
	// insidePerCore is how many joins are worked on at once for each core: a batch of
	// memberships.
	insidePerCore = 32
	// lentFor is how long a join may keep others from its place. One that takes longer
	// waits for something else than the processor.
	lentFor = 10 * time.Millisecond
)

func newDoor(s *Server) *door {
	return &door{server: s, let: make(chan net.Conn, insidePerCore*runtime.GOMAXPROCS(0)), turns: make(map[net.Conn]*turn)}
}

// knock looks at the beginning of what a connection says. If it is a join, the door has
// it from now on, or there is an answer that refuses it.
func (d *door) knock(c net.Conn, head []byte) (refusal []byte, admitted bool) {
	if !bytes.HasPrefix(head, []byte("GET "+chatrooms)) {
		return nil, false
	}
	began := time.Now()
	k := knocks.Get().(*knocking)
	defer knocks.Put(k)
	if !k.read(c, head) {
		return nil, false
	}
	s := d.server
	if found, _ := s.find(string(k.Path())); found.pattern != joinPattern || s.deps.Hub.Ready() != nil {
		return nil, false
	}
	back := comesBack(&k.RequestCtx)
	leave, err := s.deps.Hub.EnterJoin(back)
	if err == nil {
		d.admit(c, back, leave)
		return nil, true
	}
	r := &request{RequestCtx: &k.RequestCtx, ctx: context.Background(), id: requestID(&k.RequestCtx)}
	r.SetConnectionClose()
	s.answered(r, joinPattern, began, err)
	var answer bytes.Buffer
	_, _ = r.Response.WriteTo(&answer) // to memory
	return answer.Bytes(), false
}

// admit lets a connection go on, now or when others have left.
func (d *door) admit(c net.Conn, back bool, leave func(finished bool)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turns[c] = &turn{leave: leave}
	switch {
	case d.inside < cap(d.let):
		d.inside++
		d.let <- c
	case back:
		d.queues[0] = append(d.queues[0], c)
	default:
		d.queues[1] = append(d.queues[1], c)
	}
}

// next gives a place inside to who waits for it.
func (d *door) next() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, queue := range d.queues {
		if len(queue) > 0 {
			d.let <- queue[0]
			queue[0] = nil
			d.queues[i] = queue[1:]
			return
		}
	}
	d.inside--
}

// take returns what ends the turn of a connection whose request is handled now, nil if it
// has none.
func (d *door) take(c net.Conn) (end func(finished bool)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.turns[c]
	if t == nil {
		return nil
	}
	delete(d.turns, c)
	t.lent = time.AfterFunc(lentFor, d.next)
	return func(finished bool) {
		t.leave(finished)
		if t.lent.Stop() {
			d.next()
		}
	}
}

// closed ends the turn of a connection whose request was never handled.
func (d *door) closed(c net.Conn) {
	if end := d.take(c); end != nil {
		end(false)
	}
}

// stop closes the connections that are waiting. Nobody knocks any more.
func (d *door) stop() {
	d.mu.Lock()
	waiting := append(d.queues[0], d.queues[1]...)
	d.queues = [2][]net.Conn{}
	for _, c := range waiting {
		d.turns[c].leave(false)
		delete(d.turns, c)
	}
	d.mu.Unlock()
	for {
		select {
		case c := <-d.let:
			d.closed(c)
			waiting = append(waiting, c)
		default:
			for _, c := range waiting {
				_ = c.Close()
			}
			return
		}
	}
}

// comesBack tells whether who joins resumes.
func comesBack(ctx *fasthttp.RequestCtx) bool { return ctx.QueryArgs().Has("since") }

// knocking is what reading the head of a request takes.
type knocking struct {
	fasthttp.RequestCtx
	reader *bufio.Reader
}

var knocks = sync.Pool{New: func() any { return &knocking{reader: bufio.NewReaderSize(nil, peeked)} }}

// read tells whether the head is that of a whole request without a body: who has more to
// say would hold a turn until he has said it.
func (k *knocking) read(c net.Conn, head []byte) bool {
	k.reader.Reset(bytes.NewReader(head))
	k.Request.Reset()
	k.Response.Reset()
	k.Init2(c, nil, true)
	if k.Request.Header.Read(k.reader) != nil || k.reader.Buffered() > 0 {
		return false
	}
	const chunked = -1
	length := k.Request.Header.ContentLength()
	return length <= 0 && length != chunked
}
