package brokertest

import (
	"cmp"
	"slices"
	"sync"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"pgregory.net/rapid"
)

func sentOnce(c *cluster) {
	const ids, repeats = 10, 8
	room := c.newRoom()
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
	room, other := c.newRoom(), c.newRoom()
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

// sendKey is what makes a send the same send.
type sendKey struct {
	room bw.RoomID
	user bw.Name
	id   bw.MessageID
}

// sendModel is what a broker should know, as plainly as can be.
type sendModel struct {
	known map[sendKey]bw.Message
	logs  map[bw.RoomID][]bw.Message
}

// sendsAgreeWithModel sends from few users with few ids and texts to few rooms,
// some at once, and compares the answers with what a map allows.
func sendsAgreeWithModel(c *cluster) {
	const together = 6
	rapid.Check(c.T, func(t *rapid.T) {
		rooms := []bw.RoomID{c.newRoom(), c.newRoom()}
		model := sendModel{known: map[sendKey]bw.Message{}, logs: map[bw.RoomID][]bw.Message{}}
		for range rapid.IntRange(1, 6).Draw(t, "groups") {
			sends := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) broker.Send {
				return broker.Send{
					Room: rapid.SampledFrom(rooms).Draw(t, "room"),
					User: rapid.SampledFrom([]bw.Name{"ann", "bob"}).Draw(t, "user"),
					ID:   rapid.SampledFrom([]bw.MessageID{"1", "2", "3"}).Draw(t, "id"),
					Text: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "text"),
				}
			}), 1, together).Draw(t, "sends")
			answers := make([]<-chan answer, len(sends))
			for i, s := range sends {
				answers[i] = begin(c.at(i), s)
			}
			got := make([]answer, len(sends))
			for i, s := range sends {
				got[i] = wait(t, s, answers[i])
			}
			model.take(t, sends, got)
			for i, s := range sends {
				// A broker knows at least what it has acked itself.
				tail, log := c.tail(c.at(i), s.Room, 0, 500), model.logs[s.Room]
				if n := len(tail.Messages); tail.Head.Seq < got[i].Seq || n > len(log) || !slices.Equal(tail.Messages, log[:n]) {
					t.Fatalf("tail after %+v was acked as %+v: got %+v, want it from %v", s, got[i], tail, log)
				}
			}
		}
		for _, room := range rooms {
			if log := c.log(room); !slices.Equal(log, model.logs[room]) {
				t.Fatalf("log of room %d: got %v, want %v", room, log, model.logs[room])
			}
		}
	})
}

// take checks the answers to sends that were under way together: the broker
// chooses their order, so any one of the same sends may be the first.
func (m *sendModel) take(t *rapid.T, sends []broker.Send, got []answer) {
	fresh := map[bw.RoomID][]bw.Message{}
	for i, s := range sends {
		k := sendKey{s.Room, s.User, s.ID}
		if got[i].err != nil || got[i].Duplicate {
			continue
		}
		if before, repeated := m.known[k]; repeated {
			t.Fatalf("send %d of %+v: got %+v after %+v, want a duplicate or %s", i, sends, got[i], before, bw.IDConflict)
		}
		m.known[k] = messageOf(s, got[i].Ack)
		fresh[s.Room] = append(fresh[s.Room], m.known[k])
	}
	for i, s := range sends {
		first, stored := m.known[sendKey{s.Room, s.User, s.ID}]
		switch {
		case !stored:
			t.Fatalf("send %d of %+v: got %+v, and nobody was told that this id is new", i, sends, got)
		case first.Text != s.Text:
			if bw.KindOf(got[i].err) != bw.IDConflict {
				t.Fatalf("send %d of %+v: got %+v, want %s with %+v", i, sends, got[i], bw.IDConflict, first)
			}
		case got[i].err != nil || messageOf(s, got[i].Ack) != first:
			t.Fatalf("send %d of %+v: got %+v, want the place of %+v", i, sends, got[i], first)
		}
	}
	for room, messages := range fresh {
		slices.SortFunc(messages, func(a, b bw.Message) int { return cmp.Compare(a.Seq, b.Seq) })
		for _, message := range messages {
			if want := bw.Seq(len(m.logs[room]) + 1); message.Seq != want {
				t.Fatalf("answers %+v to %+v: got seq %d in room %d, want %d", got, sends, message.Seq, room, want)
			}
			m.logs[room] = append(m.logs[room], message)
		}
	}
}
