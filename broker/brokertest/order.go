package brokertest

import (
	"fmt"
	"strings"
	"sync"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

func newRoomIsEmpty(c *cluster) {
	room := c.newRoom()
	r := c.join(c.at(0), room)
	if r.start.Epoch <= 0 || r.start.Seq != 0 {
		c.Fatalf("position of a new room: got %+v, want an epoch and seq 0", r.start)
	}
	for i := range c.Brokers {
		tail := c.tail(c.at(i), room, 0, 50)
		if tail.Head != r.start || len(tail.Messages) != 0 || !tail.Complete {
			c.Fatalf("tail of a new room at broker %d: got %+v, want head %+v, no messages, complete", i, tail, r.start)
		}
	}
	if first := c.fill(room, 1)[0].Position(); first != (bw.Position{Epoch: r.start.Epoch, Seq: 1}) {
		c.Fatalf("first message: got position %+v, want seq 1 of epoch %d", first, r.start.Epoch)
	}
}

func messageIsKept(c *cluster) {
	room := c.newRoom()
	r := c.join(c.at(1), room)
	var want []bw.Message
	for i, text := range []string{
		"x", " spaces ", "\"quotes\" \\ and\nlines\x00", "übergrößen 漢字 🏳️‍🌈 \u2028", strings.Repeat("é", 2048),
	} {
		s := broker.Send{Room: room, User: "Zoë 🦊", ID: bw.MessageID(fmt.Sprintf("id %d ✓", i)), Text: text}
		a := send(c, c.at(i), s)
		if a.err != nil || a.Duplicate {
			c.Fatalf("send %q: got %+v, want an ack of a new message", s.ID, a)
		}
		want = append(want, messageOf(s, a.Ack))
	}
	c.wantMessages("delivered", r.upTo(c.T, bw.Seq(len(want))), want)
	c.wantMessages("tail", c.tail(c.at(1), room, 0, 500).Messages, want)
}

func oneOrder(c *cluster) {
	const senders, each, subscribers = 8, 60, 3
	rooms := []bw.RoomID{c.newRoom(), c.newRoom(), c.newRoom()}
	recorders := map[bw.RoomID][]*recorder{}
	for i := range subscribers * len(c.Brokers) {
		for _, room := range rooms {
			recorders[room] = append(recorders[room], c.join(c.at(i), room))
		}
	}
	acks := c.storm(rooms, senders, each)
	for _, room := range rooms {
		total := bw.Seq(senders * each)
		want := recorders[room][0].upTo(c.T, total)
		for i, r := range recorders[room][1:] {
			c.wantMessages(fmt.Sprintf("subscriber %d of room %d", i+1, room), r.upTo(c.T, total), want)
		}
		for _, m := range want {
			s := broker.Send{Room: room, User: m.User, ID: m.ID, Text: m.Text}
			if got := messageOf(s, acks[s]); got != m {
				c.Fatalf("room %d: delivered %+v, acked as %+v", room, m, acks[s])
			}
		}
	}
}

// storm has several users send to all rooms at once, each without waiting for
// its acks, and collects the acks.
func (c *cluster) storm(rooms []bw.RoomID, senders, each int) map[broker.Send]broker.Ack {
	c.Helper()
	var mu sync.Mutex
	var answered, sending sync.WaitGroup
	acks := map[broker.Send]broker.Ack{}
	answered.Add(senders * each * len(rooms))
	for u := range senders {
		sending.Go(func() {
			for i := range each * len(rooms) {
				s := numbered(rooms[i%len(rooms)], bw.Name(fmt.Sprintf("user %d", u)), i)
				c.at(u).Send(s, func(a broker.Ack, err error) {
					mu.Lock()
					defer mu.Unlock()
					if err != nil || a.Duplicate {
						c.Errorf("send %q: got %+v, %v, want an ack of a new message", s.ID, a, err)
					}
					acks[s] = a
					answered.Done()
				})
			}
		})
	}
	sending.Wait()
	answered.Wait()
	return acks
}
