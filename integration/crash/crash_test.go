package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

const (
	rounds  = 20
	clients = 20
	// others are the rooms beside the common one; each client is in one of them.
	others = 4
	// maxKills is how often a round kills its server at most.
	maxKills = 3
	// burst is how many sends each client adds at once before some kills.
	burst = 10
)

// seedVariable names the environment variable that replays one round.
const seedVariable = "BREAKWATER_CRASH_SEED"

// TestKilledServerKeepsItsPromises kills the server up to three times a round,
// at moments that the round's seed draws: half of them at any time, the other
// half within milliseconds of a burst of sends, when a group commit is under way.
func TestKilledServerKeepsItsPromises(t *testing.T) {
	if replay := os.Getenv(seedVariable); replay != "" {
		seed, err := strconv.ParseUint(replay, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
		newRound(t, seed).play()
		return
	}
	var unacked, storedUnacked int
	for n := range rounds {
		seed := rand.Uint64N(1 << 31)
		t.Run(fmt.Sprintf("round %d seed %d", n, seed), func(t *testing.T) {
			r := newRound(t, seed)
			r.play()
			unacked += r.unacked
			storedUnacked += r.storedUnacked
		})
	}
	t.Logf("over all rounds %d sends had no ack when a server was killed, %d of them were stored nevertheless", unacked, storedUnacked)
	if storedUnacked == 0 {
		t.Errorf("got %d sends under way at the kills and none stored without its ack: no kill came while a commit was under way", unacked)
	}
}

// round is one server, killed and started again.
type round struct {
	*testing.T
	seed    uint64
	random  *rand.Rand
	clients []*client
	rooms   []int64
	// talk, closed, begins the clients' sending; moved is told of all that they
	// receive.
	talk, moved chan struct{}
	// unacked counts sends without an ack at a kill, storedUnacked those that
	// the log had nevertheless.
	unacked, storedUnacked int
}

func newRound(t *testing.T, seed uint64) *round {
	t.Logf("replay with %s=%d", seedVariable, seed)
	return &round{
		T: t, seed: seed, random: rand.New(rand.NewPCG(seed, 1)),
		talk: make(chan struct{}), moved: make(chan struct{}, 1),
	}
}

func (r *round) play() {
	data := r.TempDir()
	running := binary.StartOn(r, data)
	r.populate(running)
	ctx, cancel := context.WithCancel(r.Context())
	var people sync.WaitGroup
	for _, c := range r.clients {
		people.Go(func() { c.run(ctx) })
	}
	defer func() { cancel(); people.Wait() }()
	r.waitFor("everybody to join", func(c *client) bool { return len(c.record.streams) == len(c.rooms) })

	close(r.talk)
	kills := 1 + r.random.IntN(maxKills)
	for n := range kills {
		r.kill(running)
		r.pause(0, 200*time.Millisecond)
		running = binary.StartOn(r, data, "--listen", running.Address())
		r.waitFor("everybody to come back", func(c *client) bool { return c.sessions >= n+2 })
	}
	r.pause(200*time.Millisecond, 400*time.Millisecond)
	for _, c := range r.clients {
		c.hush()
	}
	r.waitFor("every send's ack", func(c *client) bool { return len(c.unacked) == 0 })

	h := history{stored: map[int64][]message{}, epochs: map[int64]int64{}}
	for _, room := range r.rooms {
		h.stored[room] = pages(r.T, running.URL, room, r.clients[0].token)
	}
	// What is missing after that wait is the checker's to name.
	r.waitOr(func(c *client) bool {
		for _, s := range c.record.streams {
			if stored := h.stored[s.room]; len(stored) > 0 && s.last() < stored[len(stored)-1].Seq {
				return false
			}
		}
		return true
	})
	cancel()
	people.Wait()
	if err := running.Stop(); err != nil {
		r.Error(err)
	}
	r.judge(h)
}

// populate makes rooms and users.
func (r *round) populate(s *stand.Server) {
	var created struct {
		ID    int64
		Token string
	}
	for i := range clients {
		name := fmt.Sprintf("user %d", i)
		call(r.T, s.URL, http.MethodPost, "/v1/chatrooms/users", "", map[string]string{"name": name}, &created, http.StatusCreated)
		r.clients = append(r.clients, &client{
			address: s.Address(), token: created.Token, random: rand.New(rand.NewPCG(r.seed, uint64(i)+2)),
			talk: r.talk, burst: make(chan int, 1), moved: r.moved,
			record: record{user: name}, epochs: map[int64]int64{},
		})
	}
	for i := range 1 + others {
		call(r.T, s.URL, http.MethodPost, "/v1/chatrooms", r.clients[0].token, map[string]string{"name": fmt.Sprintf("room %d", i)}, &created, http.StatusCreated)
		r.rooms = append(r.rooms, created.ID)
	}
	for i, c := range r.clients {
		c.rooms = [2]int64{r.rooms[0], r.rooms[1+i%others]}
	}
}

// kill ends the server at the moment that the seed draws.
func (r *round) kill(s *stand.Server) {
	if r.random.IntN(2) == 0 {
		r.pause(200*time.Millisecond, 1500*time.Millisecond)
	} else {
		r.pause(200*time.Millisecond, 1000*time.Millisecond)
		for _, c := range r.clients {
			select {
			case c.burst <- burst:
			default: // it has not heard of the one before yet
			}
		}
		r.pause(0, 6*time.Millisecond)
	}
	if err := s.Kill(); err != nil {
		r.Fatalf("killing the server: %v", err)
	}
	for _, c := range r.clients {
		c.mu.Lock()
		r.unacked += len(c.unacked)
		c.mu.Unlock()
	}
}

// pause waits for a time between the two that the seed draws: what the test is
// about is when things happen.
func (r *round) pause(least, most time.Duration) {
	<-time.After(least + time.Duration(r.random.Int64N(int64(most-least))))
}

// waitFor waits until all clients satisfy the condition, and fails if they do
// not in time.
func (r *round) waitFor(what string, satisfied func(*client) bool) {
	r.Helper()
	if missing := r.waitOr(satisfied); missing > 0 {
		for _, c := range r.clients {
			c.mu.Lock()
			r.Logf("%s: %d connections, %d sends, %d not acked, complaints %q", c.record.user, c.sessions, len(c.record.sends), len(c.unacked), c.record.complaints)
			c.mu.Unlock()
		}
		r.Fatalf("waiting for %s: got %d clients that are not so far after %v, want none", what, missing, patience)
	}
}

// waitOr waits likewise and returns how many clients do not satisfy it in time.
func (r *round) waitOr(satisfied func(*client) bool) int {
	deadline := time.After(patience)
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		missing := 0
		for _, c := range r.clients {
			c.mu.Lock()
			if !satisfied(c) {
				missing++
			}
			c.mu.Unlock()
		}
		if missing == 0 {
			return 0
		}
		select {
		case <-r.moved:
		case <-look.C:
		case <-deadline:
			return missing
		}
	}
}

// judge gives the run to the checker, and then the run with every fault
// written into it: a checker that misses one would have missed it in the run.
func (r *round) judge(h history) {
	for _, c := range r.clients {
		h.records = append(h.records, c.record)
		for room, epoch := range c.epochs {
			if known, ok := h.epochs[room]; ok && known != epoch {
				r.Errorf("room %d began in epoch %d for some and %d for %s", room, known, epoch, c.record.user)
			}
			h.epochs[room] = epoch
		}
		for _, a := range c.record.acks {
			if a.duplicate {
				r.storedUnacked++
			}
		}
	}
	broken := check(h)
	for i, b := range broken {
		if i == 20 {
			r.Errorf("and %d more", len(broken)-i)
			break
		}
		r.Error(b)
	}
	var sends int
	for _, record := range h.records {
		sends += len(record.sends)
	}
	r.Logf("%d sends, %d without an ack at a kill, %d of them stored", sends, r.unacked, r.storedUnacked)
	if len(broken) > 0 {
		return
	}
	for _, f := range faults {
		tampered := h.clone()
		f.commit(&tampered)
		mustCatch(r.T, tampered, f)
	}
}
