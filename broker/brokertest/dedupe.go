package brokertest

import (
	"fmt"
	"sync"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"pgregory.net/rapid"
)

func sentOnce(c *cluster) {
	const ids, repeats = 10, 8
	room := newRoom()
	r := c.join(c.at(0), room)
	answers := make([][repeats]answer, ids)
	var senders sync.WaitGroup
	for id := range ids {
		for i := range repeats {
			senders.Go(func() { answers[id][i] = send(c, c.at(i), numbered(room, "ann", id)) })
		}
	}
	senders.Wait()
	r.upTo(c.T, ids)
	for id := range ids {
		first := 0
		for i, a := range answers[id] {
			if a.err != nil {
				c.Fatalf("id %d, sender %d: %v", id, i, a.err)
			}
			if !a.Duplicate {
				first++
			}
			if a.Position != answers[id][0].Position || a.Timestamp != answers[id][0].Timestamp {
				c.Fatalf("id %d: senders were answered %+v and %+v, want the same place", id, a, answers[id][0])
			}
		}
		if first != 1 {
			c.Fatalf("id %d: %d senders were told that theirs was the first, want 1", id, first)
		}
	}
	other := broker.Send{Room: room, User: "ann", ID: numbered(room, "ann", 0).ID, Text: "another text"}
	for i := range 2 * len(c.Brokers) {
		if a := send(c, c.at(i), other); bw.KindOf(a.err) != bw.IDConflict {
			c.Fatalf("same id with another text: got %+v, want %s", a, bw.IDConflict)
		}
	}
	if head := c.tail(c.at(0), room, 0, 0).Head.Seq; head != ids {
		c.Fatalf("head: got seq %d, want %d: repeats must store nothing", head, ids)
	}
}

func idScope(c *cluster) {
	room, other := newRoom(), newRoom()
	for i, s := range []broker.Send{
		{Room: room, User: "ann", ID: "1", Text: "a"},
		{Room: room, User: "bob", ID: "1", Text: "b"},
		{Room: other, User: "ann", ID: "1", Text: "c"},
		{Room: room, User: "ann", ID: "1 ", Text: "d"},
	} {
		if a := send(c, c.at(i), s); a.err != nil || a.Duplicate {
			c.Fatalf("send %+v: got %+v, want an ack of a new message", s, a)
		}
	}
}

// sendsAgreeWithModel sends from few users with few ids and texts to few rooms,
// some of it at once, and compares each answer with a map.
func sendsAgreeWithModel(c *cluster) {
	type key struct {
		room bw.RoomID
		user bw.Name
		id   bw.MessageID
	}
	rapid.Check(c.T, func(t *rapid.T) {
		rooms := []bw.RoomID{newRoom(), newRoom()}
		model := map[key]bw.Message{}
		logs := map[bw.RoomID][]bw.Message{}
		for step := range rapid.IntRange(1, 15).Draw(t, "steps") {
			s := broker.Send{
				Room: rapid.SampledFrom(rooms).Draw(t, "room"),
				User: rapid.SampledFrom([]bw.Name{"ann", "bob"}).Draw(t, "user"),
				ID:   rapid.SampledFrom([]bw.MessageID{"1", "2", "3"}).Draw(t, "id"),
				Text: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "text"),
			}
			got := send(t, c.at(rapid.IntRange(0, len(c.Brokers)-1).Draw(t, "broker")), s)
			before, repeated := model[key{s.Room, s.User, s.ID}]
			switch {
			case !repeated:
				if got.err != nil || got.Duplicate || got.Seq != bw.Seq(len(logs[s.Room])+1) {
					t.Fatalf("step %d: send %+v: got %+v, want a new message with seq %d", step, s, got, len(logs[s.Room])+1)
				}
				m := messageOf(s, got.Ack)
				model[key{s.Room, s.User, s.ID}] = m
				logs[s.Room] = append(logs[s.Room], m)
			case before.Text != s.Text:
				if bw.KindOf(got.err) != bw.IDConflict {
					t.Fatalf("step %d: send %+v after %+v: got %+v, want %s", step, s, before, got, bw.IDConflict)
				}
			case got.err != nil || !got.Duplicate || messageOf(s, got.Ack) != before:
				t.Fatalf("step %d: send %+v after %+v: got %+v, want its ack as a duplicate", step, s, before, got)
			}
		}
		for _, room := range rooms {
			tail := c.tail(c.at(0), room, 0, 500)
			if fmt.Sprint(tail.Messages) != fmt.Sprint(logs[room]) {
				t.Fatalf("log of room %d: got %v, want %v", room, tail.Messages, logs[room])
			}
		}
	})
}
