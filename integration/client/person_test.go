package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/client"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

func bodyOf(t *testing.T, body any) io.Reader {
	t.Helper()
	if body == nil {
		return http.NoBody
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(encoded)
}

// person is one client, with all that it was told.
type person struct {
	*testing.T
	*client.Client
	name string

	mu    sync.Mutex
	seen  map[bw.RoomID][]bw.Message
	told  []client.Event // all but messages
	acks  map[string]client.Ack
	moved chan struct{} // has room for one; told of everything
}

func newPerson(t *testing.T, base string, account *client.Account) *person {
	t.Helper()
	p := &person{T: t, name: string(account.User()), seen: map[bw.RoomID][]bw.Message{}, acks: map[string]client.Ack{}, moved: make(chan struct{}, 1)}
	var err error
	p.Client, err = client.New(client.Config{URL: base, User: account.User(), Token: account.Token, OnEvent: p.take, MaxInFlight: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func (p *person) take(e client.Event) {
	p.mu.Lock()
	if m, ok := e.(client.Message); ok {
		p.seen[m.Room] = append(p.seen[m.Room], m.Message)
	} else {
		p.told = append(p.told, e)
	}
	p.mu.Unlock()
	p.move()
}

func (p *person) move() {
	select {
	case p.moved <- struct{}{}:
	default:
	}
}

// until waits until something is true of what the person was told.
func (p *person) until(what string, ok func() bool) {
	p.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		p.mu.Lock()
		done := ok()
		p.mu.Unlock()
		if done {
			return
		}
		select {
		case <-p.moved:
		case <-deadline.C:
			p.Fatalf("%s: %s did not come within %v; state %+v", p.name, what, patience, p.State())
		}
	}
}

// count is how many events of a type the person was told. Called under mu.
func count[E client.Event](p *person) (n int) {
	for _, e := range p.told {
		if _, ok := e.(E); ok {
			n++
		}
	}
	return n
}

func (p *person) joinNow(room bw.RoomID) {
	p.Helper()
	p.Join(room)
	p.until("the playback", func() bool {
		return slices.ContainsFunc(p.told, func(e client.Event) bool { j, ok := e.(client.Joined); return ok && j.Room == room })
	})
}

// chatter sends until ctx ends, then waits for the acks of all that it has sent.
func (p *person) chatter(ctx context.Context, rooms ...bw.RoomID) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var open sync.WaitGroup
	defer open.Wait()
	for n := 0; ctx.Err() == nil; n++ {
		id, room := fmt.Sprintf("%s-%d", p.name, n), rooms[n%len(rooms)]
		open.Add(1)
		err := p.Post(room, id, "text of "+id, func(a client.Ack, err error) {
			defer open.Done()
			if err != nil {
				p.Errorf("sending %s: %v", id, err)
			}
			p.mu.Lock()
			p.acks[id] = a
			p.mu.Unlock()
			p.move()
		})
		if err != nil {
			open.Done() // the outbox is full: nothing was taken
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// check compares what people were told with what is stored: all of it, in its
// order, each once; every ack where it says, every text under one id only.
func check(t *testing.T, target string, reader *client.Account, rooms []bw.RoomID, people []*person) (messages int) {
	t.Helper()
	at := map[string]bw.Seq{}
	for _, room := range rooms {
		all := stored(t, target, reader, room)
		messages += len(all)
		for _, m := range all {
			if at[string(m.ID)] != 0 {
				t.Errorf("%s is stored at %d and %d", m.ID, at[string(m.ID)], m.Seq)
			}
			at[string(m.ID)] = m.Seq
		}
		for _, p := range people {
			p.until("the end of the room", func() bool { return len(p.seen[room]) >= len(all) })
			p.mu.Lock()
			if !slices.Equal(p.seen[room], all) {
				t.Errorf("%s was told %d messages of room %d that are not the %d stored", p.name, len(p.seen[room]), room, len(all))
			}
			p.mu.Unlock()
		}
	}
	for _, p := range people {
		p.mu.Lock()
		for id, a := range p.acks {
			if at[id] != a.Seq || a.Seq == 0 {
				t.Errorf("%s was acknowledged at %d and is stored at %d", id, a.Seq, at[id])
			}
		}
		if n := count[client.Missing](p) + count[client.Reset](p) + count[client.Failure](p); n != 0 {
			t.Errorf("%s was told of %d losses, want none: %+v", p.name, n, p.told)
		}
		p.mu.Unlock()
	}
	return messages
}

func start(t *testing.T, data string, flags ...string) *stand.Server {
	t.Helper()
	s, err := binary.Launch(data, append([]string{"--send-rate", "0", "--signup-rate", "0"}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Kill() }) // tests that end in order have stopped it
	return s
}
