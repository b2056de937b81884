package storm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

// message is what a member reads of a message.
type message struct {
	position
	ID string `json:"id"`
}

// frame is any frame of the server.
type frame struct {
	Type string `json:"type"`
	message
	Recovered bool      `json:"recovered"`
	Messages  []message `json:"messages"`
	Code      string    `json:"code"`
}

// member is a user in one room, who comes back whenever he is cut off.
type member struct {
	name, token string
	room        *room
	base        string // of HTTP, ws://…

	// Where he is; written by his own goroutine.
	epoch, seq atomic.Int64
	in         atomic.Bool
	// Of the run, counted over all members.
	counts *counts

	mu   sync.Mutex
	conn net.Conn // the present one
}

// counts are what happened to all members.
type counts struct {
	cut, resumed, reset, turnedAway atomic.Int64
	overloaded                      atomic.Int64 // of those turned away: by a server that had too much to do

	mu   sync.Mutex
	back []time.Duration // from each cut to the playback
}

// Bounds of coming back: as the contract asks, full jitter and what Retry-After says.
const (
	firstBackoff = time.Second
	maxBackoff   = 10 * time.Second
	patience     = 90 * time.Second // of everything that has to happen
)

// run stays in the room until ctx ends.
func (m *member) run(ctx context.Context) {
	var cut time.Time
	backoff := firstBackoff
	for ctx.Err() == nil {
		joined, err := m.connected(ctx, cut)
		m.in.Store(false)
		if ctx.Err() != nil {
			return
		}
		if joined {
			m.counts.cut.Add(1)
			cut, backoff = time.Now(), firstBackoff
		}
		wait := rand.N(backoff)
		var away *turnedAwayError
		if errors.As(err, &away) {
			m.counts.turnedAway.Add(1)
			if away.status == http.StatusTooManyRequests {
				m.counts.overloaded.Add(1)
			}
			wait += away.retryAfter
		}
		backoff = min(2*backoff, maxBackoff)
		pause(ctx, wait)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// turnedAwayError is an answer that is no 101.
type turnedAwayError struct {
	status     int
	retryAfter time.Duration
}

func (e *turnedAwayError) Error() string { return fmt.Sprint("turned away with status ", e.status) }

// connected is one life of the connection; joined tells whether it had a playback.
func (m *member) connected(ctx context.Context, cut time.Time) (joined bool, err error) {
	conn, from, err := m.dial(ctx)
	if err != nil {
		return false, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer conn.Close()
	m.mu.Lock()
	m.conn = conn
	m.mu.Unlock()
	for {
		payload, err := m.next(conn, from)
		if err != nil {
			return joined, err
		}
		var f frame
		if err := json.Unmarshal(payload, &f); err != nil {
			m.room.violated("%s got %q: %v", m.name, payload, err)
			return joined, err
		}
		switch f.Type {
		case "joined":
			m.joined(f)
			joined = true
			if !cut.IsZero() {
				m.counts.mu.Lock()
				m.counts.back = append(m.counts.back, time.Since(cut))
				m.counts.mu.Unlock()
			}
		case "message":
			m.take(f.message)
		case "ack":
			m.room.ack(f.ID, f.position)
		case "gap":
			m.room.violated("%s was told of a gap: %s", m.name, payload)
		}
	}
}

func (m *member) dial(ctx context.Context) (net.Conn, *bufio.Reader, error) {
	query := url.Values{"user": {m.name}, "token": {m.token}}
	if epoch := m.epoch.Load(); epoch != 0 {
		query.Set("epoch", strconv.FormatInt(epoch, 10))
		query.Set("since", strconv.FormatInt(m.seq.Load(), 10))
	}
	var away *turnedAwayError
	dialer := ws.Dialer{ReadBufferSize: 1024, WriteBufferSize: 512, Timeout: 30 * time.Second, OnStatusError: func(status int, _ []byte, answer io.Reader) {
		away = &turnedAwayError{status: status}
		if response, err := http.ReadResponse(bufio.NewReader(answer), nil); err == nil {
			defer response.Body.Close()
			seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
			away.retryAfter = time.Duration(seconds) * time.Second
		}
	}}
	conn, early, _, err := dialer.Dial(ctx, fmt.Sprintf("%s/v1/chatrooms/%d/join?%s", m.base, m.room.id, query.Encode()))
	if away != nil {
		return nil, nil, away
	}
	if err != nil {
		return nil, nil, err
	}
	if early == nil {
		early = bufio.NewReaderSize(conn, 1024)
	}
	return conn, early, nil
}

// next reads the next text frame and answers pings.
func (m *member) next(conn net.Conn, from *bufio.Reader) ([]byte, error) {
	for {
		head, err := ws.ReadHeader(from)
		if err != nil {
			return nil, err
		}
		payload := make([]byte, head.Length)
		if _, err := io.ReadFull(from, payload); err != nil {
			return nil, err
		}
		switch head.OpCode {
		case ws.OpText:
			return payload, nil
		case ws.OpPing:
			if err := m.write(conn, ws.NewPongFrame(payload)); err != nil {
				return nil, err
			}
		case ws.OpClose:
			return nil, fmt.Errorf("closed by the server: %q", payload)
		}
	}
}

func (m *member) write(conn net.Conn, f ws.Frame) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return ws.WriteFrame(conn, ws.MaskFrameInPlace(f))
}

// joined judges a playback.
func (m *member) joined(f frame) {
	last := position{m.epoch.Load(), m.seq.Load()}
	switch {
	case f.Recovered:
		m.counts.resumed.Add(1)
		if f.Epoch != last.Epoch {
			m.room.violated("%s recovered from %v in epoch %d", m.name, last, f.Epoch)
		}
	default:
		if last.Epoch != 0 {
			m.counts.reset.Add(1)
		}
		last = f.position
		if len(f.Messages) > 0 {
			last = position{f.Messages[0].Epoch, f.Messages[0].Seq - 1}
		}
	}
	for _, msg := range f.Messages {
		if msg.Epoch != last.Epoch || msg.Seq != last.Seq+1 {
			m.room.violated("%s was played back %v behind %v", m.name, msg.position, last)
		}
		m.room.see(m.name, msg)
		last = msg.position
	}
	if last != f.position {
		m.room.violated("%s was played back up to %v, and joined at %v", m.name, last, f.position)
	}
	m.epoch.Store(f.Epoch)
	m.seq.Store(f.Seq)
	m.in.Store(true)
}

func (m *member) take(msg message) {
	if msg.Epoch != m.epoch.Load() || msg.Seq != m.seq.Load()+1 {
		m.room.violated("%s got %v behind seq %d", m.name, msg.position, m.seq.Load())
	}
	m.room.see(m.name, msg)
	m.seq.Store(msg.Seq)
}

// send writes a message, if there is a connection; whether it arrives the ack tells.
func (m *member) send(id string) {
	m.mu.Lock()
	conn := m.conn
	m.mu.Unlock()
	if conn == nil || !m.in.Load() {
		return
	}
	text := fmt.Sprintf(`{"type":"send","id":%q,"text":"%s says %s"}`, id, m.name, strings.Repeat("la ", 10))
	_ = m.write(conn, ws.NewTextFrame([]byte(text)))
}

// sayBefore says what was said before the storm, as far as it is not acked.
func (m *member) sayBefore() {
	for i := range background {
		if id := fmt.Sprint("before-", i); !m.room.isAcked(id) {
			m.send(id)
		}
	}
}

// talk says something every interval until quiet ends, and says what was not acked
// again, under the same id.
func (m *member) talk(quiet context.Context, interval time.Duration) {
	pause(quiet, rand.N(interval))
	for n := 0; quiet.Err() == nil; n++ {
		id := fmt.Sprintf("talk-%d", n)
		for tries := 0; !m.room.isAcked(id) && quiet.Err() == nil; tries++ {
			if tries%3 == 0 {
				m.send(id)
			}
			pause(quiet, interval)
		}
	}
}
