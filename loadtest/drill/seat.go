package drill

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/client"
)

// seat is one client of a person, who may have two.
type seat struct {
	// Static after construction.
	name   string // of the person, and which of his clients it is
	user   bw.Name
	rooms  []bw.RoomID
	record *record
	client *client.Client
	place  string // slowPlace or quickPlace, where that counts

	mu sync.Mutex
	// in are the rooms that the present connection has joined.
	in map[bw.RoomID]bool
	// at is the last message of each room that was delivered or given up.
	at map[bw.RoomID]bw.Position
	// away is when the connection was lost, zero while there is one that is in all rooms.
	away time.Time
	cuts int
	// waiting is how many sends have no answer.
	waiting int
	ended   error           // why the client ended by itself
	latest  *tap            // the newest connection
	barred  <-chan struct{} // if not nil, until it is closed no connection is made
}

// dialer makes a seat's connections; nil is an ordinary one.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// sit starts a client that follows the rooms. The caller gets it up again.
func sit(url, token, name string, user bw.Name, rooms []bw.RoomID, r *record, dial dialer, place string) (*seat, error) {
	s := &seat{
		name: name, user: user, rooms: rooms, record: r, place: place,
		in: map[bw.RoomID]bool{}, at: map[bw.RoomID]bw.Position{}, away: time.Now(),
	}
	var err error
	s.client, err = client.New(client.Config{
		URL: url, User: user, Token: client.StaticToken(token), OnEvent: s.take, Dial: s.tapped(dial),
	})
	if err != nil {
		return nil, fmt.Errorf("making the client %s: %w", name, err)
	}
	for _, room := range rooms {
		s.client.Join(room)
	}
	return s, nil
}

// bar keeps the next connections waiting until a channel is closed.
func (s *seat) bar(until <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.barred = until
}

// cutOff ends the connection as a network does that fails.
func (s *seat) cutOff() {
	s.mu.Lock()
	t := s.latest
	s.mu.Unlock()
	if t != nil {
		_ = t.Close() // it is to be gone
	}
}

// getUp ends the client.
func (s *seat) getUp() { s.client.Close() }

// say sends a message, again until it is answered.
func (s *seat) say(room bw.RoomID, id, text string) {
	began := time.Now()
	s.mu.Lock()
	s.waiting++
	s.mu.Unlock()
	answered := func(_ client.Ack, err error) {
		s.record.answered(time.Since(began), err)
		s.mu.Lock()
		s.waiting--
		s.mu.Unlock()
	}
	if err := s.client.Post(room, id, text, answered); err != nil {
		answered(client.Ack{}, err)
	}
}

// take notes how far the client is. What it saw to get there is the tap's to note.
func (s *seat) take(e client.Event) {
	switch e := e.(type) {
	case client.Message:
		s.moved(e.Room, e.Position())
	case client.Joined:
		s.joined(e)
	case client.Missing:
		s.moved(e.Room, bw.Position{Epoch: e.Epoch, Seq: e.To})
	case client.Reset:
		s.moved(e.Room, bw.Position{Epoch: e.To.Epoch, Seq: e.To.Seq - 1})
	case client.State:
		s.turned(e)
	}
}

func (s *seat) moved(room bw.RoomID, to bw.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[room] = to
}

// joined ends an absence if it was the last room.
func (s *seat) joined(e client.Joined) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in[e.Room] = true
	if _, ok := s.at[e.Room]; !ok { // nothing was said in the room yet
		s.at[e.Room] = e.Position
	}
	if len(s.in) < len(s.rooms) || s.away.IsZero() {
		return
	}
	if s.cuts > 0 {
		s.record.back(time.Since(s.away))
	}
	s.away = time.Time{}
}

// turned notes that the connection came or went.
func (s *seat) turned(e client.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Phase {
	case client.Waiting:
		clear(s.in)
		if s.away.IsZero() {
			s.away = time.Now()
			s.cuts++
		}
	case client.Ended:
		if !errors.Is(e.Err, client.ErrClosed) {
			s.ended = e.Err
		}
	}
}

// present tells whether the client is in all its rooms.
func (s *seat) present() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return fmt.Errorf("%s has given up: %w", s.name, s.ended)
	}
	if !s.away.IsZero() {
		return fmt.Errorf("%s is in %d of %d rooms, for %v", s.name, len(s.in), len(s.rooms), time.Since(s.away).Round(time.Second/10))
	}
	return nil
}

// owed is how many sends wait for their answers.
func (s *seat) owed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// answeredAll tells whether no send waits for its answer.
func (s *seat) answeredAll() error {
	if n := s.owed(); n > 0 {
		return fmt.Errorf("%s waits for the answers to %d sends", s.name, n)
	}
	return nil
}

// reached tells whether the client has got as far as the newest messages of its rooms.
func (s *seat) reached(heads map[bw.RoomID]bw.Position) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, room := range s.rooms {
		if at, head := s.at[room], heads[room]; at.Epoch <= head.Epoch && at.Seq < head.Seq {
			return fmt.Errorf("%s is at %d of %d in room %d", s.name, at.Seq, head.Seq, room)
		}
	}
	return nil
}

// cut is how often the connection was lost.
func (s *seat) cut() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cuts
}
