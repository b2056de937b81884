package live_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/server/live"
)

func TestTalk(t *testing.T) {
	s := newStand(t, nil)
	room := s.room("hall")
	ada, joined := s.join("ada", room, "")
	if joined.Users != 1 || joined.Seq != 0 || len(joined.Messages) != 0 || joined.Epoch == 0 {
		t.Errorf("the first joined frame is %+v, want an empty room with one user and an epoch", joined)
	}
	bob, joined := s.join("bob", room, "")
	if joined.Users != 2 {
		t.Errorf("bob sees %d users, want 2", joined.Users)
	}
	ada.say(`{"type":"send","id":"a1","text":"hello"}`)
	if ack := ada.await("ack"); ack.ID != "a1" || ack.Seq != 1 || ack.Duplicate {
		t.Errorf("the ack is %+v", ack)
	}
	if m := bob.await("message"); m.Text != "hello" || m.User != "ada" || m.Seq != 1 {
		t.Errorf("bob got %+v", m)
	}
	bob.say(`{"type":"typing"}`)
	if f := ada.await("typing"); f.User != "bob" {
		t.Errorf("ada sees %q type, want bob", f.User)
	}
	bob.say(`{"type":"send","id":"b1","text":"hi"}`)
	for {
		f, err := bob.read()
		if err != nil {
			t.Fatal(err)
		}
		if f.Type == "typing" {
			t.Errorf("bob was shown his own typing")
		}
		if f.Type == "message" && f.Seq == 2 {
			break
		}
	}
}

func TestOneOrder(t *testing.T) {
	const people, each = 12, 100
	s := newStand(t, nil)
	room := s.room("hall")
	seen := make([][]string, people)
	crowd := make([]*person, people)
	for i := range crowd {
		crowd[i], _ = s.join(fmt.Sprintf("u%d", i), room, "")
	}
	var wg sync.WaitGroup
	for i, p := range crowd {
		wg.Go(func() {
			next := bw.Seq(1)
			for len(seen[i]) < people*each {
				f, err := p.read()
				if err != nil {
					t.Errorf("person %d after %d messages: %v", i, len(seen[i]), err)
					return
				}
				if f.Type != "message" {
					continue
				}
				if f.Seq != next {
					t.Errorf("person %d got seq %d, want %d", i, f.Seq, next)
					return
				}
				next++
				seen[i] = append(seen[i], f.Text)
			}
		})
		wg.Go(func() {
			for n := range each {
				p.say(`{"type":"send","id":"m%d","text":"from %d: %d"}`, n, i, n)
			}
		})
	}
	wg.Wait()
	for i := range people {
		if !slices.Equal(seen[i], seen[0]) {
			t.Errorf("person %d saw another order than person 0", i)
		}
	}
}

func TestResume(t *testing.T) {
	s := newStand(t, nil)
	room := s.room("hall")
	ada, joined := s.join("ada", room, "")
	const total = 620
	for n := range total {
		ada.say(`{"type":"send","id":"m%d","text":"%d"}`, n, n+1)
	}
	for range total {
		ada.await("ack")
	}
	for _, c := range []struct {
		name      string
		epoch     bw.Epoch
		since     bw.Seq
		recovered bool
		messages  int
	}{
		{"nothing missing", joined.Epoch, total, true, 0},
		{"one missing", joined.Epoch, total - 1, true, 1},
		{"as many as are played back anyway", joined.Epoch, total - 50, true, 50},
		{"more than the room keeps", joined.Epoch, total - 51, true, 51},
		{"as many as may be", joined.Epoch, total - 500, true, 500},
		{"one too many", joined.Epoch, total - 501, false, 50},
		{"another epoch", joined.Epoch - 1, total, false, 50},
		{"from the future", joined.Epoch, total + 1, false, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, f := s.join("bob", room, fmt.Sprintf("&since=%d-%d", c.epoch, c.since))
			defer func() { _ = p.ws.CloseNow() }()
			if f.Recovered != c.recovered || len(f.Messages) != c.messages || f.Seq != total {
				t.Fatalf("recovered %v with %d messages at %d, want %v with %d at %d", f.Recovered, len(f.Messages), f.Seq, c.recovered, c.messages, total)
			}
			for i, m := range f.Messages {
				if want := bw.Seq(total - c.messages + 1 + i); m.Seq != want {
					t.Fatalf("message %d has seq %d, want %d", i, m.Seq, want)
				}
			}
		})
	}
}

func TestTwoConnectionsAreOnePresence(t *testing.T) {
	s := newStand(t, nil)
	room := s.room("hall")
	watcher, _ := s.join("watcher", room, "")
	watcher.await("presence") // his own coming
	one, _ := s.join("ada", room, "")
	if f := watcher.await("presence"); !slices.Equal(f.Joined, []bw.Name{"ada"}) || f.Users != 2 {
		t.Errorf("after the first connection: %+v", f)
	}
	two, f := s.join("ada", room, "")
	if f.Users != 2 {
		t.Errorf("the second connection sees %d users, want 2", f.Users)
	}
	_ = one.ws.CloseNow()
	_ = two.ws.CloseNow()
	if f := watcher.await("presence"); !slices.Equal(f.Left, []bw.Name{"ada"}) || len(f.Joined) != 0 || f.Users != 1 {
		t.Errorf("after the last connection: %+v", f)
	}
}

func TestSeveralRooms(t *testing.T) {
	s := newStand(t, func(c *live.Config) { c.MaxRooms = 2 })
	hall, yard, attic := s.room("hall"), s.room("yard"), s.room("attic")
	p, _ := s.join("ada", hall, "")
	p.say(`{"type":"join","id":"j","room":%d}{`, yard)
	if f := p.await("error"); f.Code != "bad_json" {
		t.Errorf("trailing data: %+v", f)
	}
	// Frames behind a join wait for it.
	p.say(`{"type":"join","id":"j","room":%d}`, yard)
	p.say(`{"type":"send","id":"1","room":%d,"text":"in the yard"}`, yard)
	if f := p.await("joined"); f.Room != yard || f.ID != "j" {
		t.Errorf("joined is %+v", f)
	}
	if f := p.await("message"); f.Room != yard {
		t.Errorf("the message is %+v", f)
	}
	for _, c := range []struct{ say, code string }{
		{`{"type":"send","id":"2","text":"where?"}`, "not_in_room"},
		{fmt.Sprintf(`{"type":"join","id":"3","room":%d}`, yard), "already_in_room"},
		{`{"type":"join","id":"4","room":9999}`, "no_such_room"},
		{fmt.Sprintf(`{"type":"join","id":"4","room":%d}`, attic), "too_many_rooms"},
		{`{"type":"leave","id":"5","room":9999}`, "not_in_room"},
	} {
		p.say("%s", c.say)
		if f := p.await("error"); f.Code != c.code {
			t.Errorf("%s answers %q, want %q", c.say, f.Code, c.code)
		}
	}
	p.say(`{"type":"leave","id":"6","room":%d}`, hall)
	if f := p.await("left"); f.Room != hall {
		t.Errorf("left is %+v", f)
	}
	p.say(`{"type":"send","id":"7","text":"only one is left"}`)
	if f := p.await("message"); f.Room != yard || f.Text != "only one is left" {
		t.Errorf("the message is %+v", f)
	}
	p.say(`{"type":"join","id":"8","room":%d}`, attic)
	if f := p.await("joined"); f.Room != attic {
		t.Errorf("joined is %+v", f)
	}
}

func TestClocks(t *testing.T) {
	s := newStand(t, func(c *live.Config) {
		c.PingInterval, c.SilenceTimeout = 100*time.Millisecond, 700*time.Millisecond
	})
	room := s.room("hall")
	p, _ := s.join("late", room, "&expires=1200ms")
	if code := p.closed(); code != 4002 {
		t.Errorf("an expired token closes with %d, want 4002", code)
	}
}

// TestDrainAnswersAndCloses: what is under way when the window is over is
// answered before its connection is closed.
func TestDrainAnswersAndCloses(t *testing.T) {
	s := newStand(t, nil)
	room := s.room("hall")
	p, _ := s.join("ada", room, "")
	s.broker.gate.Lock()
	for n := range 100 {
		p.say(`{"type":"send","id":"m%d","text":"x"}`, n)
	}
	for range 100 {
		p.await("message") // stored, and not answered yet
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.hub.Drain(context.Background(), time.Millisecond)
	}()
	p.await("drain")
	time.AfterFunc(100*time.Millisecond, s.broker.gate.Unlock) // well over the window
	acks := 0
	for {
		f, err := p.read()
		if err != nil {
			if code := websocket.CloseStatus(err); code != 4200 {
				t.Errorf("a drain closes with %d, want 4200", code)
			}
			break
		}
		if f.Type == "ack" {
			acks++
		}
	}
	if acks != 100 {
		t.Errorf("got %d acks, want 100", acks)
	}
	<-done
	if err := s.hub.Admit(); bw.KindOf(err) != bw.Draining {
		t.Errorf("a draining hub admits with %v, want draining", err)
	}
}
