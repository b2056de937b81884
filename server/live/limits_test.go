package live_test

import (
	"fmt"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/server/admission"
	"github.com/breakwater-chat/breakwater/server/live"
)

// Sends over the limit are refused at once, each by its id and wherever that stands;
// the connection stays, and when there is room they are stored under the same ids.
func TestSendsOverTheLimitAreRefused(t *testing.T) {
	const limit, sends = 4, 12
	s := newStand(t, func(c *live.Config) {
		c.SendsUnderWay = admission.LimitConfig{Wait: time.Hour, Least: limit, Most: limit, Burst: limit}
	})
	p, _ := s.join("ann", s.room("hall"), "")
	s.broker.gate.Lock() // nothing is answered
	say := func(n int) {
		if n%2 == 0 {
			p.say(`{"type":"send","id":"m%d","text":"hello"}`, n)
		} else {
			p.say(`{"text":"hello","id":"m%d","type":"send"}`, n)
		}
	}
	for n := range sends {
		say(n)
	}
	for n := limit; n < sends; n++ {
		f := p.await("error")
		if want := fmt.Sprint("m", n); f.ID != want || f.Code != string(bw.Unavailable) || f.RetryAfter <= 0 {
			t.Errorf("got %+v, want %s unavailable, with a time to wait", f, want)
		}
	}
	s.broker.gate.Unlock()
	for range limit {
		p.await("ack")
	}
	for n := limit; n < sends; n++ {
		say(n)
		if f := p.await("ack"); f.ID != fmt.Sprint("m", n) || f.Duplicate {
			t.Errorf("got %+v, want the ack of m%d", f, n)
		}
	}
}

// A further join over the limit is refused, and the connection stays.
func TestFurtherJoinsOverTheLimitAreRefused(t *testing.T) {
	s := newStand(t, func(c *live.Config) {
		c.JoinsUnderWay = admission.LimitConfig{Wait: time.Hour, Least: 1, Most: 1, Burst: 1}
	})
	hall, yard := s.room("hall"), s.room("yard")
	p, _ := s.join("ann", hall, "")
	leave, err := s.hub.EnterJoin(true)
	if err != nil {
		t.Fatal(err)
	}
	p.say(`{"type":"join","id":"j","room":%d}`, yard)
	if f := p.await("error"); f.ID != "j" || f.Code != string(bw.Overloaded) || f.RetryAfter <= 0 {
		t.Errorf("got %+v, want j overloaded, with a time to wait", f)
	}
	leave(true)
	p.say(`{"type":"join","id":"j","room":%d}`, yard)
	p.await("joined")
}

// refused is somebody whose sends are all refused: one is under way until the test ends,
// and that is all that may be.
func refused(t *testing.T) *person {
	t.Helper()
	s := newStand(t, func(c *live.Config) {
		c.SendsUnderWay = admission.LimitConfig{Wait: time.Hour, Least: 1, Most: 1, Burst: 1}
	})
	p, _ := s.join("ann", s.room("hall"), "")
	s.broker.gate.Lock() // nothing is answered
	t.Cleanup(s.broker.gate.Unlock)
	p.say(`{"type":"send","id":"under way","text":"hello"}`)
	return p
}

// Refusals go out in their turn among the answers to what came before and behind them,
// though they are written together and the connection is left alone for a while.
func TestRefusalsKeepTheirTurn(t *testing.T) {
	p := refused(t)
	for round := range 3 {
		var want []string
		for n := range 5 {
			id := fmt.Sprint("m", round, n)
			p.say(`{"type":"send","id":"%s","text":"hello"}`, id)
			want = append(want, id+" "+string(bw.Unavailable))
		}
		p.say(`{"type":"fly"}`)
		want = append(want, " "+string(bw.UnknownType))
		for _, want := range want {
			if f := p.await("error"); f.ID+" "+f.Code != want {
				t.Fatalf("got %q, want %q", f.ID+" "+f.Code, want)
			}
		}
	}
}

// A connection whose send was refused is left alone for a moment, wherever the send's id
// stands.
func TestWhoIsRefusedRests(t *testing.T) {
	const least = 10 * time.Millisecond
	p := refused(t)
	for _, send := range []string{`{"type":"send","id":"m","text":"hello"}`, `{"text":"hello", "id":"m", "type":"send"}`} {
		for range 5 {
			said := time.Now()
			p.say("%s", send)
			p.say(`{"type":"fly"}`)
			p.await("error")
			p.await("error")
			if rest := time.Since(said); rest < least {
				t.Fatalf("%s: what came behind it was answered after %v, want %v at least", send, rest, least)
			}
		}
	}
}
