package drill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// size is how many people a drill has, and how much they say.
type size struct {
	people, rooms int
	// talkers are those of the people who send, each once in a time that lies around every.
	talkers int
	every   time.Duration
	// text is how long a message is, in bytes.
	text int
}

// ordinary is for drills that need no particular crowd: about 70 connections.
var ordinary = size{people: 60, rooms: 6, talkers: 24, every: time.Second, text: 60}

// maxRooms is how many rooms a person is in at most.
const maxRooms = 3

// crowd is everybody in all rooms of a drill. Its methods are for one goroutine.
type crowd struct {
	size   size
	word   string // in all names and messages of this drill, and in no others
	rng    *rand.Rand
	url    string
	record *record
	sign   func(names []string) ([]string, error)

	rooms []bw.RoomID
	token string // of the first person, who makes the rooms
	seats []*seat
	dial  func(person int) dialer

	stop    context.CancelFunc // the talking
	talking sync.WaitGroup
}

// gather makes the rooms and brings everybody in. The caller disperses the crowd,
// also after an error.
func (c *crowd) gather(ctx context.Context) error {
	first, err := c.sign([]string{c.word + " host"})
	if err != nil {
		return err
	}
	c.token = first[0]
	for i := range c.size.rooms {
		var room struct {
			ID bw.RoomID `json:"id"`
		}
		name := map[string]string{"name": fmt.Sprint(c.word, " ", i)}
		if _, err := stand.Call(ctx, http.MethodPost, c.url+"/v1/chatrooms", c.token, name, &room); err != nil {
			return fmt.Errorf("making a room: %w", err)
		}
		c.rooms = append(c.rooms, room.ID)
	}
	return c.come(ctx, c.size.people)
}

// atOnce is how many people come at a time.
const atOnce = 100

// come brings n people more in. One in five has two clients; the first ones talk.
func (c *crowd) come(ctx context.Context, n int) error {
	before := len(c.seats)
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("%s %d", c.word, before+i))
	}
	tokens, err := c.sign(names)
	if err != nil {
		return err
	}
	for i, name := range names {
		var dial dialer
		var place string
		if c.dial != nil {
			place = quickPlace
			if dial = c.dial(before + i); dial != nil {
				place = slowPlace
			}
		}
		rooms := c.choose()
		for clients := range 1 + c.pick(5) {
			s, err := sit(c.url, tokens[i], fmt.Sprintf("%s/%d", name, clients+1), bw.Name(name), rooms, c.record, dial, place)
			if err != nil {
				return err
			}
			c.seats = append(c.seats, s)
		}
		if i%atOnce == atOnce-1 || i == n-1 {
			if err := await(ctx, arrival, "the crowd to arrive", c.present); err != nil {
				return err
			}
		}
	}
	return nil
}

// arrival bounds how long people take to come in.
const arrival = 60 * time.Second

// pick is 1 once in n times.
func (c *crowd) pick(n int) int {
	if c.rng.IntN(n) == 0 {
		return 1
	}
	return 0
}

// choose draws a person's rooms.
func (c *crowd) choose() []bw.RoomID {
	n := 1 + c.rng.IntN(min(maxRooms, len(c.rooms)))
	var rooms []bw.RoomID
	for _, i := range c.rng.Perm(len(c.rooms))[:n] {
		rooms = append(rooms, c.rooms[i])
	}
	return rooms
}

// talk lets the talkers send until hush. Each draws from a seed of its own, so that what
// it says does not depend on who is faster.
func (c *crowd) talk() {
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	var last bw.Name
	talkers := 0
	for _, s := range c.seats {
		if s.user == last { // a person's second client listens
			continue
		}
		if last = s.user; talkers == c.size.talkers {
			break
		}
		talkers++
		rng := rand.New(rand.NewPCG(c.rng.Uint64(), c.rng.Uint64()))
		c.talking.Go(func() { c.speak(ctx, s, rng) })
	}
}

// mostWaiting is how many answers a talker waits for before he is silent.
const mostWaiting = 20

func (c *crowd) speak(ctx context.Context, s *seat, rng *rand.Rand) {
	for n := 1; ; n++ {
		pause := c.size.every/2 + time.Duration(rng.Int64N(int64(c.size.every)))
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if s.owed() >= mostWaiting {
			continue
		}
		text := fmt.Sprintf("%s says %d ", s.user, n)
		text += strings.Repeat("x", max(0, c.size.text-len(text)))
		s.say(s.rooms[rng.IntN(len(s.rooms))], fmt.Sprintf("m-%d", n), text)
	}
}

// hush ends the talking; answers may still come.
func (c *crowd) hush() {
	if c.stop != nil {
		c.stop()
	}
	c.talking.Wait()
}

// bar keeps every nth client, if it loses its connection, away until lift is called.
func (c *crowd) bar(nth int) (lift func()) {
	open := make(chan struct{})
	for i, s := range c.seats {
		if i%nth == 0 {
			s.bar(open)
		}
	}
	return sync.OnceFunc(func() { close(open) })
}

// leave has the last n clients get up.
func (c *crowd) leave(n int) {
	from := max(0, len(c.seats)-n)
	getUp(c.seats[from:])
	c.seats = c.seats[:from]
}

// disperse ends everything.
func (c *crowd) disperse() {
	c.hush()
	getUp(c.seats)
	c.seats = nil
}

// getUp ends clients, many at a time: each says goodbye.
func getUp(seats []*seat) {
	for some := range slices.Chunk(seats, atOnce) {
		var leaving sync.WaitGroup
		for _, s := range some {
			leaving.Go(s.getUp)
		}
		leaving.Wait()
	}
}

// all asks every seat, and gives the first complaint and how many there are.
func (c *crowd) all(ask func(*seat) error) error {
	var first error
	n := 0
	for _, s := range c.seats {
		if err := ask(s); err != nil {
			n++
			if first == nil {
				first = err
			}
		}
	}
	if n > 1 {
		return fmt.Errorf("%w (and %d others like it)", first, n-1)
	}
	return first
}

func (c *crowd) present() error { return c.all((*seat).present) }

func (c *crowd) answered() error { return c.all((*seat).answeredAll) }

// cuts is how often connections were lost.
func (c *crowd) cuts() (n int) {
	for _, s := range c.seats {
		n += s.cut()
	}
	return n
}

// members are the users of a room.
func (c *crowd) members(room bw.RoomID) map[bw.Name]int {
	users := map[bw.Name]int{}
	for _, s := range c.seats {
		if slices.Contains(s.rooms, room) {
			users[s.user]++
		}
	}
	return users
}
