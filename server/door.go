package server

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// door admits joins, or refuses them, when the gate has their first bytes, and passes on as
// many at once as are done at once with profit. The others wait where they cost a descriptor
// and nothing else: thousands of goroutines that want the processor keep it from those that
// accept connections and from those that finish what was admitted. A request that it cannot
// read whole goes on to the handler.
type door struct {
	server *Server
	let    chan net.Conn // who may go on; it has room for all who are inside

	// mu guards the rest.
	mu          sync.Mutex
	inside      int
	back, fresh []net.Conn // who wait and come back, and who wait and are new
	passedBy    int        // how many who came back have gone before who is new
	turns       map[net.Conn]*turn
}

// turn is that of a join which was let in.
type turn struct {
	leave func(finished bool) // of the Hub
	lent  *time.Timer         // its place inside
}

const (
	// insidePerCore is how many joins are worked on at once for each core: they keep it busy,
	// and let others have it soon.
	insidePerCore = 32
	// lentFor is how long a join may keep others from its place, from the beginning of its
	// handler. One that takes longer most likely waits for something else than the processor.
	lentFor = 10 * time.Millisecond
	// backBeforeNew is how many who come back go before one who is new: anybody can say that
	// he comes back.
	backBeforeNew = 7
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
		d.back = append(d.back, c)
	default:
		d.fresh = append(d.fresh, c)
	}
	d.count()
}

// count is called under mu.
func (d *door) count() { d.server.metrics.waiting.Set(float64(len(d.back) + len(d.fresh))) }

// next gives a place inside to who waits for it.
func (d *door) next() {
	d.mu.Lock()
	defer d.mu.Unlock()
	queue := &d.back
	d.passedBy++
	if len(d.back) == 0 || len(d.fresh) > 0 && d.passedBy > backBeforeNew {
		queue = &d.fresh
		d.passedBy = 0
	}
	if len(*queue) == 0 {
		d.inside--
		return
	}
	d.let <- (*queue)[0]
	(*queue)[0] = nil
	*queue = (*queue)[1:]
	d.count()
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
	waiting := slices.Concat(d.back, d.fresh)
	d.back, d.fresh = nil, nil
	d.count()
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
