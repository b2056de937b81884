package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// Errors of a client's own. What a server refuses is a *breakwater.Error with
// the kind of the contract; breakwater.KindOf asks for it.
var (
	// ErrClosed says that Close was called.
	ErrClosed = errors.New("the client was closed")
	// ErrUnconfirmed says that a message was sent and never answered, and that the
	// server may not know its id any more: it may or may not be stored. Whether it
	// is, the room's history tells.
	ErrUnconfirmed = errors.New("the message was not acknowledged in time; it may or may not be stored")
	// ErrOutboxFull says that Config.MaxPending messages wait already.
	ErrOutboxFull = errors.New("too many messages are waiting to be sent")
	// ErrFrameTooBig says that a message's frame is above what a server takes.
	ErrFrameTooBig = errors.New("the message is too big for a frame")
	// ErrDisconnected says that there is no connection to ask by, or that it was
	// lost before the answer came. Nothing was changed; ask again later.
	ErrDisconnected = errors.New("there is no connection")
)

// TokenSource gives the bearer token for the next connection. rejected is the
// one that the server has just refused, or "": the same again ends the client.
// An error of kind breakwater.Unauthorized ends it, too; after any other one the
// client backs off and asks again. Account.Token is one; StaticToken another.
type TokenSource func(ctx context.Context, rejected string) (string, error)

// StaticToken is a token that never changes: the client ends when it is refused.
func StaticToken(token string) TokenSource {
	return func(context.Context, string) (string, error) { return token, nil }
}

// Config says where a client connects, and as whom. URL, User and Token are needed.
type Config struct {
	// URL is the server's, http://HOST[:PORT] or https://HOST[:PORT].
	URL   string
	User  bw.Name
	Token TokenSource

	// OnEvent, if set, is called with each event instead of Events, one at a time.
	// It runs on the goroutine that reads the connection, which saves programs
	// with thousands of clients one each: while it runs nothing is read. It must
	// not wait for the client, that is not call Send, History or Close.
	OnEvent func(Event)
	// EventBuffer is how many events may wait in Events; default 64. When it is
	// full the connection is not read any more.
	EventBuffer int
	// MaxPending is how many messages may wait for their ack, in all rooms; default 500.
	MaxPending int
	// MaxInFlight is how many messages of a room are sent without an answer to the
	// first; default 1. Above 1 one that is refused for a while may be overtaken.
	MaxInFlight int
	// MaxText is in bytes; default 4,096, as a server has it. Below 0 leaves it to the server.
	MaxText int
	// NoFetch leaves messages that were missed to the application: they are told by
	// Missing at once. By default they are fetched from the history and delivered
	// in their place, before what came later.
	NoFetch bool

	// Dial and TLS make connections; by default net.Dialer and the system's roots.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	TLS  *tls.Config
}

// Client is one user's presence in any number of rooms, over one connection
// that heals itself. Its methods may be called from any goroutine.
type Client struct {
	// Static after construction.
	cfg    Config
	target url.URL // ws or wss
	random func() float64
	ctx    context.Context // ends with the client
	cancel context.CancelFunc
	// closing is closed by Close: nobody wants events any more.
	closing chan struct{}
	// done is closed when all goroutines have ended.
	done   chan struct{}
	events chan Event
	wg     sync.WaitGroup

	// delivering has room for one: who hands events to the application, so that
	// they come one at a time and in order. It is entered before mu, never under it.
	delivering chan struct{}
	spare      []Event // of who delivers

	mu    sync.Mutex
	state State
	// queue holds events and dones answers of sends until mu is free.
	queue []Event
	dones []func()
	order []*feed // rooms in the order of joining; the first is that of the URL
	rooms map[bw.RoomID]*feed
	sends map[string]*send // all rooms'
	asked map[string]*request
	last  int // number of the last request
	link  linkState
	alarm alarm
}

// New makes a client. It connects when the first room is joined, and stays
// connected until the last is left. The caller closes it.
func New(cfg Config) (*Client, error) {
	target, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("the server's URL: %w", err)
	}
	switch target.Scheme {
	case "http", "https":
		target.Scheme = "ws" + strings.TrimPrefix(target.Scheme, "http")
	default:
		return nil, fmt.Errorf("the server's URL is %q, want http://HOST or https://HOST", cfg.URL)
	}
	if target.Host == "" || cfg.Token == nil {
		return nil, errors.New("a client needs the URL of a server and a source of tokens")
	}
	if cfg.User, err = wire.ParseName(string(cfg.User)); err != nil {
		return nil, fmt.Errorf("the user's name: %w", err)
	}
	orDefault(&cfg.EventBuffer, 64)
	orDefault(&cfg.MaxPending, 500)
	orDefault(&cfg.MaxInFlight, 1)
	orDefault(&cfg.MaxText, wire.MaxText)
	c := &Client{
		cfg: cfg, target: *target, random: rand.Float64,
		closing: make(chan struct{}), done: make(chan struct{}),
		events: make(chan Event, cfg.EventBuffer), delivering: make(chan struct{}, 1),
		state: State{Phase: Idle, Reason: reasonStart},
		rooms: map[bw.RoomID]*feed{}, sends: map[string]*send{}, asked: map[string]*request{},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

func orDefault(value *int, otherwise int) {
	if *value == 0 {
		*value = otherwise
	}
}

// Events gives what happens, in order, unless Config.OnEvent takes it. Who does
// not read it stops the connection: memory stays bounded, and after a while the
// server closes the connection as it does with slow consumers. Reading on goes
// on where it stopped. It is closed after the State of phase Ended, or by Close.
func (c *Client) Events() <-chan Event { return c.events }

// State is how the client stands.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Err is why the client has ended, nil before.
func (c *Client) Err() error { return c.State().Err }

// Join follows a room: now, or as soon as there is a connection, and again after
// every reconnection. It does not wait; Joined or Gone tells how it went.
func (c *Client) Join(room bw.RoomID) { c.join(newFeed(c, room)) }

// JoinSince is Join for a room that was followed before, up to and including a
// position: everything behind it is delivered first.
func (c *Client) JoinSince(room bw.RoomID, since bw.Position) {
	f := newFeed(c, room)
	f.started, f.at = true, since
	c.join(f)
}

func (c *Client) join(f *feed) {
	c.mu.Lock()
	defer c.unlock()
	if c.rooms[f.room] != nil || c.state.Phase == Ended {
		return
	}
	c.rooms[f.room] = f
	c.order = append(c.order, f)
	for _, s := range c.link.open() {
		s.join(f)
	}
	if c.state.Phase == Idle {
		c.connect()
	}
}

// Leave stops following a room. Messages for it that have no ack fail; those
// that were sent may have been stored.
func (c *Client) Leave(room bw.RoomID) {
	c.mu.Lock()
	defer c.unlock()
	f := c.rooms[room]
	if f == nil {
		return
	}
	c.forget(f, bw.Errorf(bw.NotInRoom, "the room was left"))
	if len(c.order) == 0 {
		c.goIdle()
		return
	}
	for _, s := range c.link.open() {
		s.leave(room)
	}
	c.link.promote(c)
}

// forget drops a room; its unsent messages fail.
func (c *Client) forget(f *feed, why error) {
	delete(c.rooms, f.room)
	c.order = slices.DeleteFunc(c.order, func(other *feed) bool { return other == f })
	for _, s := range slices.Clone(f.outbox) {
		c.settle(s, Ack{}, s.doubt(why))
	}
	for _, r := range c.asked {
		if r.room == f.room && r.kind == wire.TypeHistory {
			c.answer(r, nil, why)
		}
	}
}

// gone drops a room that cannot be joined.
func (c *Client) gone(f *feed, why error) {
	c.forget(f, why)
	c.tell(Gone{Room: f.room, Err: why})
}

// Typing tells the others in a room that the user is writing, at most once in
// three seconds.
func (c *Client) Typing(room bw.RoomID) {
	c.mu.Lock()
	defer c.unlock()
	f, now := c.rooms[room], time.Now()
	if f == nil || !c.link.current.in(room) || now.Sub(f.typed) < typingPause {
		return
	}
	f.typed = now
	c.link.current.write(&wire.ClientFrame{Type: wire.TypeTyping, Room: room})
}

const typingPause = 3 * time.Second

// Close leaves all rooms, ends the connection with code 1000, and waits for the
// client's goroutines. Sends that have no ack fail with ErrClosed.
func (c *Client) Close() {
	c.mu.Lock()
	select {
	case <-c.closing:
	default:
		close(c.closing)
	}
	c.end(reasonClosed, ErrClosed)
	c.unlock()
	<-c.done
}

// end is the end of the client, whoever wants it. Called under mu.
func (c *Client) end(reason string, err error) {
	if c.state.Phase == Ended {
		return
	}
	for _, f := range slices.Clone(c.order) {
		c.forget(f, err)
	}
	for _, r := range c.asked {
		c.answer(r, nil, err)
	}
	c.link.hangUp()
	c.alarm.stop()
	c.setState(State{Phase: Ended, Reason: reason, Err: err})
	c.cancel()
	go c.finish()
}

// finish waits for the goroutines and tells the last events.
func (c *Client) finish() {
	c.wg.Wait()
	c.deliver()
	close(c.events)
	close(c.done)
}

// tell queues an event. Called under mu.
func (c *Client) tell(e Event) { c.queue = append(c.queue, e) }

func (c *Client) setState(s State) {
	s.Attempt = c.link.attempt
	if s.Err == nil && s == c.state {
		return
	}
	c.state = s
	c.tell(s)
}

// unlock ends a call of the application's: what it has to be told of it is told
// by a goroutine, since the call may come from OnEvent.
func (c *Client) unlock() {
	dones := c.dones
	c.dones = nil
	if len(c.queue) > 0 && c.state.Phase != Ended { // at the end finish tells
		c.wg.Go(c.deliver)
	}
	c.mu.Unlock()
	for _, done := range dones {
		done()
	}
}

// unlockAndDeliver ends a step of a goroutine of the client's own. It returns
// when the application has taken all events, and so holds the reader back.
func (c *Client) unlockAndDeliver() {
	dones, waiting := c.dones, len(c.queue) > 0
	c.dones = nil
	c.mu.Unlock()
	for _, done := range dones {
		done()
	}
	if waiting {
		c.deliver()
	}
}

// keepQueue is how many events there is room for while none waits.
const keepQueue = 64

func (c *Client) deliver() {
	c.delivering <- struct{}{}
	defer func() { <-c.delivering }()
	for {
		c.mu.Lock()
		queue := c.queue
		c.queue = c.spare[:0]
		c.mu.Unlock()
		if c.spare = queue; cap(queue) > keepQueue {
			c.spare = nil
		}
		if len(queue) == 0 {
			return
		}
		for i, e := range queue {
			c.hand(e)
			queue[i] = nil
		}
	}
}

func (c *Client) hand(e Event) {
	select {
	case <-c.closing:
		return
	default:
	}
	if c.cfg.OnEvent != nil {
		c.cfg.OnEvent(e)
		return
	}
	select {
	case c.events <- e:
	case <-c.closing:
	}
}
