package crowd

import (
	"math/rand/v2"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/report"
	"github.com/breakwater-chat/breakwater/loadtest/swarm"
	"github.com/breakwater-chat/breakwater/wire"
)

// scene is a crowd of two in one room whose connections are never made: the test says what
// the server says.
type scene struct {
	*testing.T
	*Crowd
	tally *report.Tally
}

func newScene(t *testing.T) *scene {
	t.Helper()
	tally := report.NewTally()
	clock := swarm.NewClock()
	c := New(Config{Run: "abc234", Clock: clock, ClockName: "here", Size: MinText, Members: []Member{
		{Number: 0, Name: "ann", Room: 1}, {Number: 1, Name: "bob", Room: 1},
	}}, tally)
	s, err := swarm.New(swarm.Config{Clock: clock, Random: rand.New(rand.NewPCG(1, 1))}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	c.Connect(s)
	return &scene{t, c, tally}
}

// said is ann's nth message.
func said(n int, seq bw.Seq) bw.Message {
	s := stamp{run: "abc234", clock: "here", sender: 0, number: n}
	return bw.Message{Room: 1, Epoch: 1, Seq: seq, ID: s.id(), User: "ann", Text: s.text("ann", 1, MinText)}
}

// join plays back to a member.
func (s *scene) join(member int, at bw.Position, recovered bool, messages ...bw.Message) {
	frame := wire.AppendJoinedHead(nil, "", 1, at, recovered)
	for i := range messages {
		if i > 0 {
			frame = append(frame, ',')
		}
		frame = wire.AppendMessageObject(frame, &messages[i])
	}
	s.Text(member, wire.AppendJoinedTail(frame, 2))
}

func (s *scene) tell(member int, m bw.Message) { s.Text(member, wire.AppendMessage(nil, &m)) }

func (s *scene) ack(n int, seq bw.Seq) {
	m := said(n, seq)
	s.Text(0, wire.AppendAck(nil, string(m.ID), 1, m.Position(), 0, false))
}

// cut ends a member's connection.
func (s *scene) cut(member int) { s.Ended(member, swarm.End{Reason: swarm.ReasonEOF, Live: true}) }

// want holds what was counted, and that nothing else was that is wrong.
func (s *scene) want(counts map[string]int64) {
	s.Helper()
	for _, name := range []string{Lost, Gapped, Doubled, Disordered, Damaged, Unanswered, Reset, Back, Replayed} {
		if got := *s.tally.Count(name); got != counts[name] {
			s.Errorf("got %s %d, want %d", name, got, counts[name])
		}
	}
}

func at(seq bw.Seq) bw.Position { return bw.Position{Epoch: 1, Seq: seq} }

func TestPlaybacksAreJudged(t *testing.T) {
	damagedOne := said(2, 2)
	damagedOne.User = "bob"
	for _, test := range []struct {
		name string
		back func(*scene) // of bob, who has message 1, and was cut off
		want map[string]int64
	}{
		{"all of it", func(s *scene) { s.join(1, at(3), true, said(2, 2), said(3, 3)) }, map[string]int64{Replayed: 2}},
		{"nothing was missed", func(s *scene) { s.join(1, at(1), true) }, nil},
		{"a hole at its beginning", func(s *scene) { s.join(1, at(3), true, said(3, 3)) }, map[string]int64{Lost: 1, Replayed: 1}},
		{"a hole at its end", func(s *scene) { s.join(1, at(4), true, said(2, 2)) }, map[string]int64{Lost: 2, Replayed: 1}},
		{"what he has", func(s *scene) { s.join(1, at(2), true, said(1, 1), said(2, 2)) }, map[string]int64{Doubled: 1, Replayed: 2}},
		{"damage", func(s *scene) { s.join(1, at(2), true, damagedOne) }, map[string]int64{Damaged: 1, Replayed: 1}},
		{"a new beginning", func(s *scene) { s.join(1, at(9), false, said(8, 8), said(9, 9)) }, map[string]int64{Reset: 1}},
		{"a new beginning with a hole", func(s *scene) { s.join(1, at(9), false, said(7, 7), said(9, 9)) }, map[string]int64{Reset: 1, Lost: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t)
			s.join(1, at(0), false)
			s.tell(1, said(1, 1))
			s.cut(1)
			test.back(s)
			want := map[string]int64{Back: 1}
			for name, n := range test.want {
				want[name] = n
			}
			s.want(want)
		})
	}
}

// TestSendersGetTheirOwn follows a send of ann's from its ack to its delivery, in every order.
func TestSendersGetTheirOwn(t *testing.T) {
	for _, test := range []struct {
		name    string
		happens func(*scene)
		want    map[string]int64
		pending int
	}{
		{"acked and delivered", func(s *scene) { s.ack(1, 1); s.tell(0, said(1, 1)) }, nil, 0},
		{"delivered and acked", func(s *scene) { s.tell(0, said(1, 1)); s.ack(1, 1) }, nil, 0},
		{"acked elsewhere", func(s *scene) { s.tell(0, said(1, 1)); s.ack(1, 2) }, map[string]int64{Disordered: 1, Lost: 1}, 0},
		{"delivered in two places", func(s *scene) { s.ack(1, 1); s.tell(0, said(1, 1)); s.tell(0, said(1, 2)) }, map[string]int64{Doubled: 1}, 0},
		{"acked and then another one in its place", func(s *scene) { s.ack(1, 1); s.tell(0, said(5, 1)) }, map[string]int64{Doubled: 1, Lost: 1}, 1},
		{"acked and never delivered", func(s *scene) { s.ack(1, 1) }, map[string]int64{Lost: 1}, 1},
		{"never answered", func(*scene) {}, map[string]int64{Unanswered: 1}, 1},
		{"acked and told missing", func(s *scene) { s.ack(1, 1); s.Text(0, wire.AppendGap(nil, 1, 1, 1, 1)) }, map[string]int64{Gapped: 1}, 0},
		{"acked in two lives", func(s *scene) {
			s.cut(0)
			s.join(0, at(1), true, said(1, 1))
			s.ack(1, 1)
			s.ack(1, 1)
		}, map[string]int64{Back: 1, Replayed: 1}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t)
			s.join(0, at(0), false)
			s.Say(0, s.cfg.Clock.Now())
			test.happens(s)
			if got := s.Pending(); got != test.pending {
				t.Errorf("got %d sends on their way, want %d", got, test.pending)
			}
			s.Judge(s.Heads())
			s.want(test.want)
		})
	}
}

// TestRefusedSendsAreTriedAgainOrOver goes by what the server says of coming back.
func TestRefusedSendsAreTriedAgainOrOver(t *testing.T) {
	s := newScene(t)
	s.join(0, at(0), false)
	s.Say(0, s.cfg.Clock.Now())
	s.Say(0, s.cfg.Clock.Now())
	first, second := said(1, 0), said(2, 0)
	s.Text(0, wire.AppendError(nil, string(first.ID), bw.Unavailablef(nil, "not now")))
	s.Text(0, wire.AppendError(nil, string(second.ID), bw.Errorf(bw.TextTooLong, "too long")))
	if got := s.Pending(); got != 1 {
		t.Errorf("got %d sends on their way, want the one that may be sent again", got)
	}
	for _, code := range []string{"unavailable", "text_too_long"} {
		if got := *s.tally.Count(ErrorPrefix + code); got != 1 {
			t.Errorf("got %d errors %s, want 1", got, code)
		}
	}
}
