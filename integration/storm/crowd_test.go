package storm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// The size of a storm.
const (
	people     = 9_000
	roomCount  = 90
	crowdSize  = 3_000 // of the first room; the others share the rest
	background = 120   // messages in each room before
	atOnce     = 256   // connections that are being made
	// resendAfter is how long an ack is waited for.
	resendAfter = 3 * time.Second
)

// crowd is everybody in all rooms.
type crowd struct {
	*testing.T
	counts
	rooms   []*room
	members []*member
	someone string // a token
	quiet   context.CancelFunc
	stop    context.CancelFunc
	running sync.WaitGroup
}

// gather brings everybody into the rooms, in which enough was said to fill a page,
// and lets one in each room talk.
func gather(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{T: t}
	word := fmt.Sprintf("storm %d", time.Now().UnixNano())
	tokens := c.tokens(word)
	c.someone = tokens[0]
	for i := range roomCount {
		var made struct{ ID int64 }
		c.call("POST", "/v1/chatrooms", map[string]string{"name": fmt.Sprint(word, " ", i)}, &made)
		c.rooms = append(c.rooms, newRoom(made.ID))
	}
	for i, token := range tokens {
		r := c.rooms[0]
		if i >= crowdSize {
			r = c.rooms[1+i%(roomCount-1)]
		}
		m := &member{
			name: fmt.Sprint(word, " ", i), token: token, room: r, counts: &c.counts,
			base: strings.Replace(shared.Nginx.URL, "http", "ws", 1),
		}
		r.members = append(r.members, m)
		c.members = append(c.members, m)
	}
	ctx, stop := context.WithCancel(context.Background())
	quiet, silence := context.WithCancel(ctx)
	c.stop, c.quiet = stop, silence
	t.Cleanup(func() { c.stop(); c.running.Wait() })

	began := time.Now()
	for _, r := range c.rooms {
		c.begin(ctx, r.members[0])
	}
	for _, r := range c.rooms {
		c.await("the talkers to be there", func() error { return isIn(r.members[0]) })
		r.members[0].sayBefore()
	}
	again := time.Now()
	c.await("what was said before", func() error {
		var err error
		for _, r := range c.rooms {
			if _, acks := r.head(); acks < background {
				err = fmt.Errorf("room %d has %d acks", r.id, acks)
				if time.Since(again) > resendAfter {
					r.members[0].sayBefore()
				}
			}
		}
		if time.Since(again) > resendAfter {
			again = time.Now()
		}
		return err
	})
	for i, m := range c.members {
		if m != m.room.members[0] {
			c.begin(ctx, m)
		}
		if i >= atOnce {
			c.await("the crowd to arrive", func() error { return isIn(c.members[i-atOnce]) })
		}
	}
	c.await("everybody to be there", c.complete)
	t.Logf("%d people came into %d rooms in %v", people, roomCount, time.Since(began).Round(time.Second/10))
	for _, r := range c.rooms {
		c.running.Go(func() { r.members[0].talk(quiet, time.Second) })
	}
	return c
}

func (c *crowd) begin(ctx context.Context, m *member) { c.running.Go(func() { m.run(ctx) }) }

func isIn(m *member) error {
	if !m.in.Load() {
		return fmt.Errorf("%s is not in the room", m.name)
	}
	return nil
}

// complete tells whether everybody is in his room.
func (c *crowd) complete() error {
	out := 0
	for _, m := range c.members {
		if !m.in.Load() {
			out++
		}
	}
	if out > 0 {
		return fmt.Errorf("%d of %d people are not in their rooms", out, len(c.members))
	}
	return nil
}

// tokens signs one for everybody.
func (c *crowd) tokens(word string) []string {
	c.Helper()
	var names []string
	for i := range people {
		names = append(names, fmt.Sprint(word, " ", i))
	}
	tokens, err := shared.binary.Tokens(shared.Key, names)
	if err != nil {
		c.Fatal(err)
	}
	return tokens
}

// call asks the cluster for JSON.
func (c *crowd) call(method, path string, body, into any) {
	c.Helper()
	if _, err := stand.Call(c.Context(), method, shared.Nginx.URL+path, c.someone, body, into); err != nil {
		c.Fatal(err)
	}
}

// await waits until something holds.
func (c *crowd) await(what string, holds func() error) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	for {
		err := holds()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			c.report()
			c.Fatalf("waited %v in vain for %s: %v", patience, what, err)
		}
		pause(ctx, 20*time.Millisecond)
	}
}

func (c *crowd) report() {
	c.Helper()
	for _, r := range c.rooms {
		for _, wrong := range r.judge() {
			c.Error(wrong)
		}
	}
}

// check lets the talkers be silent and judges what everybody has seen: every ack was
// delivered to every member, none was lost, doubled or out of order; and who is in a
// room is listed.
func (c *crowd) check() {
	c.Helper()
	c.quiet()
	c.await("all deliveries", func() error {
		for _, r := range c.rooms {
			head, _ := r.head()
			for _, m := range r.members {
				if at := m.seq.Load(); at < head {
					return fmt.Errorf("%s is at %d in room %d, whose head is %d", m.name, at, r.id, head)
				}
			}
		}
		return nil
	})
	for _, r := range c.rooms {
		var list struct{ Count int }
		c.call("GET", fmt.Sprintf("/v1/chatrooms/%d/users?limit=1", r.id), nil, &list)
		if list.Count != len(r.members) {
			c.Errorf("room %d has %d users by its list, want %d", r.id, list.Count, len(r.members))
		}
	}
	c.report()
	acks := 0
	for _, r := range c.rooms {
		_, n := r.head()
		acks += n
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.back)
	quantile := func(q float64) time.Duration {
		if len(c.back) == 0 {
			return 0
		}
		return c.back[int(q*float64(len(c.back)-1))].Round(time.Millisecond)
	}
	c.Logf("%d acks; %d cuts, %d resumed, %d reset, %d turned away (%d because of overload); back after p50 %v, p99 %v, all %v",
		acks, c.cut.Load(), c.resumed.Load(), c.reset.Load(), c.turnedAway.Load(), c.overloaded.Load(), quantile(0.5), quantile(0.99), quantile(1))
}
