package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// client is a person who chats for the whole of a run: sends, joins and leaves
// rooms, comes back when he is cut off, and sends again what was not acked.
type client struct {
	ledger *ledger
	person
	word  string // that every message of the run has
	rooms []int64
	rng   *rand.Rand
	every time.Duration // between two things that he does
	sits  bool          // he stays in the rooms that he is in

	// Counters of the run.
	refused, cut, reset, gaps atomic.Int64
	slowest                   atomic.Int64 // refusal of a send, in nanoseconds

	mu      sync.Mutex
	base    string // where he connects the next time; "" is nowhere
	ws      *websocket.Conn
	goes    time.Time           // when he leaves a server that drains; zero while it does not
	heard   []presence          // of who came and went
	in      map[int64]*position // where he is in the rooms that he wants to be in; nil before the first join's end
	here    map[int64]*position // where this connection is in its rooms
	again   []int64             // rooms that this connection has to join yet
	pending map[string]pending
	next    int
}

type pending struct {
	room int64
	text string
	sent time.Time // when it was sent for the last time
	next time.Time // when it is to be sent again
}

// presence is a frame that names somebody.
type presence struct {
	room         int64
	joined, left []string
}

// resendAfter is how long a client waits for an ack.
const resendAfter = 3 * time.Second

// frame is any frame of the server.
type frame struct {
	Type string `json:"type"`
	message
	Recovered bool      `json:"recovered"`
	Messages  []message `json:"messages"`
	From, To  int64
	Joined    []string
	Left      []string
	WithinMS  int64  `json:"within_ms"`
	Code      string `json:"code"`
}

func newClient(l *ledger, p person, base, word string, rooms []int64, seed uint64, every time.Duration) *client {
	return &client{
		ledger: l, person: p, base: base, word: word, rooms: rooms, every: every,
		rng: rand.New(rand.NewPCG(seed, 7)),
		in:  map[int64]*position{}, pending: map[string]pending{},
	}
}

// run chats until quiet ends, then only listens and resends until ctx does.
func (c *client) run(ctx, quiet context.Context) {
	for ctx.Err() == nil {
		if err := c.connected(ctx, quiet); err != nil && ctx.Err() == nil {
			c.cut.Add(1)
			wait(ctx, time.Duration(50+c.rng.IntN(400))*time.Millisecond)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// connected is one life of the connection.
func (c *client) connected(ctx, quiet context.Context) error {
	base, first, since := c.comeback()
	if base == "" {
		return errors.New("stays away")
	}
	query := url.Values{"user": {c.Name}, "token": {c.Token}}
	if since != nil {
		query.Set("epoch", fmt.Sprint(since.Epoch))
		query.Set("since", fmt.Sprint(since.Seq))
	}
	at := strings.Replace(base, "http", "ws", 1) + fmt.Sprintf("/v1/chatrooms/%d/join?", first) + query.Encode()
	dialing, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	ws, _, err := websocket.Dial(dialing, at, nil)
	if err != nil {
		return err
	}
	defer ws.CloseNow()
	ws.SetReadLimit(4 << 20)
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var reader sync.WaitGroup
	defer reader.Wait()
	c.mu.Lock()
	c.ws = ws
	c.mu.Unlock()
	reader.Go(func() { stop(c.read(reading, ws)) })
	for reading.Err() == nil {
		wait(reading, c.pause())
		if reading.Err() != nil {
			break
		}
		if err := c.act(reading, quiet.Err() == nil); err != nil {
			stop(err)
		}
	}
	if ctx.Err() != nil {
		_ = ws.Close(websocket.StatusNormalClosure, "")
		return nil
	}
	return context.Cause(reading)
}

func (c *client) pause() time.Duration {
	return c.every/2 + time.Duration(c.rng.Int64N(int64(c.every)))
}

// moveTo says where he connects the next time.
func (c *client) moveTo(base string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base = base
}

// comeback chooses the room of the URL, and where to resume it. The others are
// joined again by frames.
func (c *client) comeback() (base string, room int64, since *position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.here, c.again, c.goes = map[int64]*position{}, nil, time.Time{}
	for r, at := range c.in {
		switch {
		case at == nil:
			delete(c.in, r) // he never got in
		case since == nil:
			room, since = r, at
		default:
			c.again = append(c.again, r)
		}
	}
	if since == nil {
		room = c.rooms[c.rng.IntN(len(c.rooms))]
		c.in[room] = nil
	}
	return c.base, room, since
}

// act does one thing, and what is overdue.
func (c *client) act(ctx context.Context, lively bool) error {
	for _, f := range c.due(lively) {
		raw, err := json.Marshal(f)
		if err != nil {
			return err
		}
		writing, cancel := context.WithTimeout(ctx, 10*time.Second)
		err = c.ws.Write(writing, websocket.MessageText, raw)
		cancel()
		if err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.goes.IsZero() && time.Now().After(c.goes) {
		return errors.New("the server drains")
	}
	return nil
}

func (c *client) due(lively bool) (out []any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.again {
		out = append(out, map[string]any{"type": "join", "id": fmt.Sprint("again ", r), "room": r, "since": *c.in[r]})
	}
	c.again = nil
	for id, p := range c.pending {
		if time.Now().After(p.next) && c.here[p.room] != nil {
			p.sent, p.next = time.Now(), time.Now().Add(resendAfter)
			c.pending[id] = p
			out = append(out, sendFrame(id, p))
		}
	}
	if lively {
		if f := c.choose(); f != nil {
			out = append(out, f)
		}
	}
	return out
}

func sendFrame(id string, p pending) any {
	return map[string]any{"type": "send", "id": id, "room": p.room, "text": p.text}
}

// choose picks a thing to do; nil if it is not possible now. Called under mu.
func (c *client) choose() any {
	var here []int64
	for _, r := range c.rooms {
		if c.in[r] != nil && c.here[r] != nil {
			here = append(here, r)
		}
	}
	c.next++
	id := fmt.Sprintf("%s-%d", c.word, c.next)
	dice := c.rng.IntN(100)
	if c.sits {
		dice = 100
	}
	switch {
	case dice < 8 && len(here) > 1: // leave, but for the last one and where an ack is awaited
		r := here[c.rng.IntN(len(here))]
		for _, p := range c.pending {
			if p.room == r {
				return nil
			}
		}
		delete(c.in, r)
		return map[string]any{"type": "leave", "id": id, "room": r}
	case dice < 20:
		r := c.rooms[c.rng.IntN(len(c.rooms))]
		_, wanted := c.in[r]
		if wanted || c.here[r] != nil { // he has not left it yet
			return nil
		}
		c.in[r] = nil
		return map[string]any{"type": "join", "id": id, "room": r}
	case len(here) > 0 && len(c.pending) < 20:
		p := pending{here[c.rng.IntN(len(here))], fmt.Sprintf("%s of %s no %d", c.word, c.Name, c.next), time.Now(), time.Now().Add(resendAfter)}
		c.pending[id] = p
		c.ledger.send(name{p.room, c.Name, id}, p.text)
		return sendFrame(id, p)
	}
	return nil
}

// read takes in what the server says until the connection ends.
func (c *client) read(ctx context.Context, ws *websocket.Conn) error {
	for {
		_, raw, err := ws.Read(ctx)
		if err != nil {
			return err
		}
		var f frame
		if err := json.Unmarshal(raw, &f); err != nil {
			c.ledger.violated("%s got %q: %v", c.Name, raw, err)
			return err
		}
		if err := c.take(f); err != nil {
			return err
		}
	}
}

func (c *client) take(f frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch f.Type {
	case "joined":
		c.joined(f)
	case "message":
		at := c.here[f.Room]
		if at == nil {
			c.ledger.violated("%s got %+v of a room that he is not in", c.Name, f.message)
			return nil
		}
		if f.Epoch != at.Epoch || f.Seq != at.Seq+1 {
			c.ledger.violated("%s got %+v behind %+v", c.Name, f.message, *at)
		}
		*at = f.position
		c.ledger.see(f.message)
	case "gap":
		c.gaps.Add(1)
		if at := c.here[f.Room]; at != nil {
			if f.From != at.Seq+1 || f.To < f.From {
				c.ledger.violated("%s was told of the gap %d to %d behind %+v", c.Name, f.From, f.To, *at)
			}
			*at = position{f.Epoch, f.To}
			c.ledger.skip(gap{f.Room, f.From, f.To})
		}
	case "ack":
		p, ok := c.pending[f.ID]
		if !ok {
			break // of a send that was repeated
		}
		delete(c.pending, f.ID)
		c.ledger.ack(name{p.room, c.Name, f.ID}, f.position)
	case "left":
		delete(c.here, f.Room)
	case "presence":
		if len(f.Joined)+len(f.Left) > 0 {
			c.heard = append(c.heard, presence{f.Room, f.Joined, f.Left})
		}
	case "drain":
		c.goes = time.Now().Add(time.Duration(c.rng.Int64N(f.WithinMS+1)) * time.Millisecond)
	case "error":
		if p, ok := c.pending[f.ID]; ok && f.Code == "unavailable" {
			c.slowest.Store(max(c.slowest.Load(), int64(time.Since(p.sent))))
			p.next = time.Now().Add(500 * time.Millisecond)
			c.pending[f.ID] = p
			c.refused.Add(1)
			break
		}
		if f.Code != "unavailable" && f.Code != "overloaded" {
			c.ledger.violated("%s was told %s: %+v", c.Name, f.Code, f)
		}
		c.refused.Add(1)
		return errors.New("a join failed: " + f.Code) // come back by another connection
	}
	return nil
}

// joined judges a playback. Called under mu.
func (c *client) joined(f frame) {
	before := c.in[f.Room]
	last := position{}
	if f.Recovered {
		if before == nil {
			c.ledger.violated("%s recovered in room %d without having asked", c.Name, f.Room)
			return
		}
		last = *before
	} else if before != nil {
		c.reset.Add(1)
	}
	for i, m := range f.Messages {
		follows := m.Seq == last.Seq+1 && m.Epoch == last.Epoch || m.Epoch > last.Epoch && m.Seq > last.Seq && !f.Recovered
		if !follows && (i > 0 || f.Recovered) {
			c.ledger.violated("%s was played back %+v behind %+v in room %d", c.Name, m.position, last, f.Room)
		}
		last = m.position
		c.ledger.see(m)
	}
	end := position{f.Epoch, f.Seq}
	if (f.Recovered || len(f.Messages) > 0) && last != end {
		c.ledger.violated("%s was played back up to %+v, and joined room %d at %+v", c.Name, last, f.Room, end)
	}
	at := &end
	c.here[f.Room], c.in[f.Room] = at, at
}

// caughtUp tells whether the client has got as far as the heads of his rooms.
func (c *client) caughtUp(heads map[int64]int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r, at := range c.in {
		if at == nil || c.here[r] == nil || at.Seq < heads[r] {
			return fmt.Errorf("%s is at %+v in room %d, whose head is %d", c.Name, at, r, heads[r])
		}
	}
	if len(c.pending) > 0 {
		return fmt.Errorf("%s waits for %d acks", c.Name, len(c.pending))
	}
	return nil
}

// isIn are the rooms that the client is in.
func (c *client) isIn() (rooms []int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r, at := range c.in {
		if at != nil && c.here[r] != nil {
			rooms = append(rooms, r)
		}
	}
	return rooms
}
