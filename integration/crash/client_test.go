package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// pace is the time between two sends of a client: twenty clients make 500 a second.
const pace = 40 * time.Millisecond

// client is one person: in two rooms over one connection at a time, which it
// makes again whenever it is lost, resuming both rooms and repeating what was
// not acked.
type client struct {
	address, token string
	rooms          [2]int64
	// random draws rooms and texts; the goroutine of run has it.
	random *rand.Rand
	// talk is closed when sending may begin; burst asks for that many sends at once.
	talk  <-chan struct{}
	burst chan int

	mu       sync.Mutex
	record   record
	epochs   map[int64]int64
	unacked  []send
	sessions int
	// quiet ends the making of sends: who sets it knows that unacked only shrinks.
	quiet bool
	// moved is told, without waiting, of everything that changes.
	moved chan<- struct{}
}

// frame is any frame of the server.
type frame struct {
	message
	Type      string    `json:"type"`
	Recovered bool      `json:"recovered"`
	Messages  []message `json:"messages"`
	Duplicate bool      `json:"duplicate"`
	Code      string    `json:"code"`
	Detail    string    `json:"detail"`
}

// run keeps the client connected until ctx ends.
func (c *client) run(ctx context.Context) {
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for ctx.Err() == nil {
		if connection, err := c.dial(ctx); err == nil {
			c.session(ctx, connection)
			continue
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
		}
	}
}

func (c *client) dial(ctx context.Context) (*websocket.Conn, error) {
	query := url.Values{"user": {c.record.user}}
	if position, ok := c.position(c.rooms[0]); ok {
		query.Set("epoch", fmt.Sprint(position.Epoch))
		query.Set("since", fmt.Sprint(position.Seq))
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	target := fmt.Sprintf("ws://%s/v1/chatrooms/%d/join?%s", c.address, c.rooms[0], query.Encode())
	connection, response, err := websocket.Dial(ctx, target, &websocket.DialOptions{
		HTTPHeader: map[string][]string{"Authorization": {"Bearer " + c.token}},
	})
	if err != nil {
		if response != nil {
			c.complain("joining: %s", response.Status)
		}
		return nil, err
	}
	connection.SetReadLimit(4 << 20) // a playback of 500 messages is larger than any other frame
	return connection, nil
}

// session uses one connection until it is lost or ctx ends.
func (c *client) session(ctx context.Context, connection *websocket.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer cancel()
		c.read(ctx, connection)
	}()
	if err := c.resume(ctx, connection); err == nil {
		c.write(ctx, connection)
	}
	cancel()
	<-read
	_ = connection.CloseNow() // lost, or not needed any more
}

// resume joins the second room and repeats what has no ack. The frames follow
// the upgrade at once: the server must keep their order.
func (c *client) resume(ctx context.Context, connection *websocket.Conn) error {
	join := map[string]any{"type": "join", "id": "join", "room": c.rooms[1]}
	if position, ok := c.position(c.rooms[1]); ok {
		join["since"] = map[string]int64{"epoch": position.Epoch, "seq": position.Seq}
	}
	if err := write(ctx, connection, join); err != nil {
		return err
	}
	c.mu.Lock()
	c.sessions++
	repeat := slices.Clone(c.unacked)
	c.mu.Unlock()
	for _, s := range repeat {
		if err := c.send(ctx, connection, s); err != nil {
			return err
		}
	}
	return nil
}

// write sends at the pace until the connection is lost.
func (c *client) write(ctx context.Context, connection *websocket.Conn) {
	select {
	case <-c.talk:
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(pace)
	defer tick.Stop()
	// Not all in step.
	tick.Reset(time.Duration(1 + c.random.Int64N(int64(pace))))
	for {
		count := 1
		select {
		case <-tick.C:
			tick.Reset(pace)
		case count = <-c.burst:
		case <-ctx.Done():
			return
		}
		for range count {
			s, ok := c.next()
			if !ok {
				<-ctx.Done()
				return
			}
			if err := c.send(ctx, connection, s); err != nil {
				return
			}
		}
	}
}

// hush ends the making of sends.
func (c *client) hush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quiet = true
}

// next makes up a message and notes that it is to be stored; false once the
// client is quiet.
func (c *client) next() (send, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.quiet {
		return send{}, false
	}
	n := len(c.record.sends)
	s := send{
		room: c.rooms[c.random.IntN(len(c.rooms))],
		id:   fmt.Sprintf("%s-%d", c.record.user, n),
		text: fmt.Sprintf("%d of %s %s", n, c.record.user, strings.Repeat("-", c.random.IntN(200))),
	}
	c.record.sends = append(c.record.sends, s)
	c.unacked = append(c.unacked, s)
	return s, true
}

func (c *client) send(ctx context.Context, connection *websocket.Conn, s send) error {
	return write(ctx, connection, map[string]any{"type": "send", "id": s.id, "room": s.room, "text": s.text})
}

func write(ctx context.Context, connection *websocket.Conn, frame map[string]any) error {
	payload, err := json.Marshal(frame)
	if err != nil {
		return err
	}
	return connection.Write(ctx, websocket.MessageText, payload)
}

func (c *client) read(ctx context.Context, connection *websocket.Conn) {
	for {
		kind, payload, err := connection.Read(ctx)
		if err != nil {
			if code := websocket.CloseStatus(err); code != -1 && !errors.Is(err, context.Canceled) {
				c.complain("closed with %v", err)
			}
			return
		}
		var f frame
		if err := json.Unmarshal(payload, &f); err != nil || kind != websocket.MessageText {
			c.complain("got %v frame %q: %v", kind, payload, err)
			continue
		}
		c.handle(f)
	}
}

func (c *client) handle(f frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch f.Type {
	case "joined":
		c.joined(f)
	case "message":
		s := c.stream(f.Room)
		if s == nil {
			c.record.complaints = append(c.record.complaints, fmt.Sprintf("message %d of room %d before it was joined", f.Seq, f.Room))
			return
		}
		s.messages = append(s.messages, f.message)
	case "ack":
		c.record.acks = append(c.record.acks, ack{f.Room, f.ID, f.Epoch, f.Seq, f.Timestamp, f.Duplicate})
		c.unacked = slices.DeleteFunc(c.unacked, func(s send) bool { return s.room == f.Room && s.id == f.ID })
	case "presence", "typing":
		return
	default:
		c.record.complaints = append(c.record.complaints, fmt.Sprintf("got %+v", f))
	}
	select {
	case c.moved <- struct{}{}:
	default:
	}
}

// joined begins or continues the stream of a room.
func (c *client) joined(f frame) {
	s := c.stream(f.Room)
	if s == nil {
		c.record.streams = append(c.record.streams, stream{room: f.Room, since: f.Seq - int64(len(f.Messages))})
		s = &c.record.streams[len(c.record.streams)-1]
		c.epochs[f.Room] = f.Epoch
	} else if !f.Recovered || f.Epoch != c.epochs[f.Room] {
		c.record.complaints = append(c.record.complaints,
			fmt.Sprintf("resume of room %d after seq %d of epoch %d: recovered %t in epoch %d", f.Room, s.last(), c.epochs[f.Room], f.Recovered, f.Epoch))
	}
	s.messages = append(s.messages, f.Messages...)
	if s.last() != f.Seq {
		c.record.complaints = append(c.record.complaints, fmt.Sprintf("joined room %d at seq %d with messages up to %d", f.Room, f.Seq, s.last()))
	}
}

func (c *client) stream(room int64) *stream {
	for i := range c.record.streams {
		if c.record.streams[i].room == room {
			return &c.record.streams[i]
		}
	}
	return nil
}

// position is how far the client has received a room; false before it joined.
func (c *client) position(room int64) (message, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stream(room)
	if s == nil {
		return message{}, false
	}
	return message{Epoch: c.epochs[room], Seq: s.last()}, true
}

func (c *client) complain(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.record.complaints = append(c.record.complaints, fmt.Sprintf(format, args...))
}

// last is the newest seq received.
func (s *stream) last() int64 {
	if len(s.messages) == 0 {
		return s.since
	}
	return s.messages[len(s.messages)-1].Seq
}
