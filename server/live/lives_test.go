package live

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// appear is a connection that others find.
func appear(h *Hub, id bw.ConnectionID) *conn {
	c := &conn{hub: h, id: id, name: bw.Name(rune('a' + id))}
	h.table.reserve(c)
	h.table.show(c)
	return c
}

// visit is what a join does about memberships: the connection is in the room when it
// is written, or postponed.
func visit(t *testing.T, h *Hub, c *conn, id bw.RoomID) {
	t.Helper()
	life := h.members.life()
	if _, err := h.join(t.Context(), c, id); err != nil {
		t.Errorf("got %v, want to be let in", err)
		return
	}
	<-time.After(rand.N(300 * time.Millisecond)) // the playback is read
	c.mu.Lock()
	c.rooms = append(c.rooms, &member{conn: c, room: &room{hub: h, id: id}})
	c.mu.Unlock()
	h.members.confirm(c, life)
}

// quit is what the end of a connection does about memberships.
func quit(h *Hub, c *conn) {
	c.mu.Lock()
	rooms := c.leaveRooms()
	c.mu.Unlock()
	for _, m := range rooms {
		h.lose(c, m.room.id)
	}
}

func (s *awayStore) isThere(t *testing.T, want ...memberKey) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, there := range s.there {
		if there {
			n++
		}
	}
	for _, key := range want {
		if !s.there[key] {
			t.Errorf("%+v is not in the store", key)
		}
	}
	if n != len(want) {
		t.Errorf("got %v in the store, want %v and nobody else", s.there, want)
	}
}

func (s *awayStore) change(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

func (s *awayStore) living() bw.Incarnation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alive
}

// A batch whose answer was lost is written once, and tells once who came: it is sent
// again as it was, whatever was asked for meanwhile.
func TestALostAnswerIsAskedForAgain(t *testing.T) {
	withMembers(t, func(t *testing.T, h *Hub, s *awayStore) {
		one, two := appear(h, 1), appear(h, 2)
		s.change(func() { s.refuses, s.late = true, true })
		visit(t, h, one, 1)
		visit(t, h, two, 1)
		quit(h, one)
		<-time.After(time.Second)
		s.change(func() { s.refuses = false })
		<-time.After(time.Second)
		s.has(t, one.change(1, false), two.change(1, false), one.change(1, true))
		if told, want := h.deps.Broker.(*ear).told, []string{"1+[b]-[]", "1+[c]-[]", "1+[]-[b]"}; !slices.Equal(told, want) {
			t.Errorf("got %q told, want %q", told, want)
		}
	})
}

// A server that was declared dead enters everybody again who is there, and nobody else,
// whether it learns of it by a write or otherwise; only who was gone is told to come.
func TestANewLifeEntersEverybodyAgain(t *testing.T) {
	for _, row := range []struct {
		name string
		by   func(t *testing.T, h *Hub)
	}{
		{"told by a write", func(t *testing.T, h *Hub) { visit(t, h, appear(h, 4), 9) }},
		{"told by the lease", func(_ *testing.T, h *Hub) { h.deps.Lease.(*standing).succeed(store.Identity{}) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			withMembers(t, func(t *testing.T, h *Hub, s *awayStore) {
				one, two, goes := appear(h, 1), appear(h, 2), appear(h, 3)
				visit(t, h, one, 1)
				visit(t, h, one, 2)
				visit(t, h, two, 1)
				visit(t, h, goes, 1)
				h.deps.Broker.(*ear).told = nil
				s.kill()
				s.change(func() { s.there[memberKey{1, 1}] = true }) // by another server, say
				quit(h, goes)
				row.by(t, h)
				<-time.After(2 * time.Second)
				want := []memberKey{{1, 1}, {2, 1}, {1, 2}}
				told := []string{"1+[c]-[]", "2+[b]-[]"}
				if c := h.table.get(3); c != nil {
					want, told = append(want, memberKey{9, 4}), append(told, "9+[e]-[]")
				}
				s.isThere(t, want...)
				heard := h.deps.Broker.(*ear).told
				slices.Sort(heard)
				if !slices.Equal(heard, told) {
					t.Errorf("got %q told, want %q", heard, told)
				}
			})
		})
	}
}

// The server's life ends when a join was written and the connection is not in the room yet.
func TestALifeThatEndsInTheMiddleOfAJoin(t *testing.T) {
	withMembers(t, func(t *testing.T, h *Hub, s *awayStore) {
		c, life := appear(h, 1), h.members.life()
		if _, err := h.join(t.Context(), c, 1); err != nil {
			t.Fatalf("got %v, want to be let in", err)
		}
		s.kill()
		h.deps.Lease.(*standing).succeed(store.Identity{})
		<-time.After(time.Second)
		c.rooms = append(c.rooms, &member{conn: c, room: &room{hub: h, id: 1}})
		h.members.confirm(c, life)
		<-time.After(time.Second)
		s.isThere(t, memberKey{1, 1})
	})
}

// A change that the store will not have is answered so; those that were written with
// it are not kept from it.
func TestAPoisonedBatch(t *testing.T) {
	withMembers(t, func(t *testing.T, h *Hub, s *awayStore) {
		s.change(func() { s.poison = 7 })
		err := make(chan error)
		go func() {
			_, joined := h.join(t.Context(), appear(h, 1), 7)
			err <- joined
		}()
		var want []memberKey
		var wg sync.WaitGroup
		for id := range bw.ConnectionID(5) {
			want = append(want, memberKey{1, id + 2})
			wg.Go(func() { visit(t, h, appear(h, id+2), 1) })
		}
		wg.Wait()
		if got := <-err; bw.KindOf(got) != bw.NoSuchRoom {
			t.Errorf("got %v for the one that the store will not have, want its answer", got)
		}
		s.isThere(t, want...)
	})
}

// TestMembershipsAreTrueAfterAnyLife: whatever the store did and however often the
// server was declared dead, in the end it has those who are there.
func TestMembershipsAreTrueAfterAnyLife(t *testing.T) {
	for seed := range uint64(200) {
		withMembers(t, func(t *testing.T, h *Hub, s *awayStore) {
			var wg sync.WaitGroup
			var conns []*conn
			for id := range bw.ConnectionID(5) {
				c, dice := appear(h, id), rand.New(rand.NewPCG(seed, uint64(id)))
				conns = append(conns, c)
				wg.Go(func() {
					for range 10 {
						visit(t, h, c, 1)
						<-time.After(time.Duration(dice.IntN(2) * dice.IntN(400) * int(time.Millisecond)))
						if dice.IntN(3) == 0 {
							return
						}
						quit(h, c)
					}
				})
			}
			dice := rand.New(rand.NewPCG(seed, 1000))
			for range 10 {
				s.change(func() {
					s.refuses, s.late, s.stall = dice.IntN(2) == 0, dice.IntN(2) == 0, time.Duration(dice.IntN(500))*time.Millisecond
				})
				<-time.After(time.Duration(dice.IntN(700)) * time.Millisecond)
				if id, _ := h.deps.Lease.Current(); dice.IntN(2) == 0 && id.Incarnation == s.living() {
					s.kill()
				}
			}
			s.set(false, 0)
			wg.Wait()
			<-time.After(time.Minute)
			if id, _ := h.deps.Lease.Current(); id.Incarnation != s.living() { // nobody has written since
				h.deps.Lease.Lost(id)
				<-time.After(time.Minute)
			}
			var want []memberKey
			for _, c := range conns {
				if len(c.rooms) > 0 {
					want = append(want, memberKey{1, c.id})
				}
			}
			s.isThere(t, want...)
			if t.Failed() {
				t.Errorf("with seed %d", seed)
			}
		})
	}
}
