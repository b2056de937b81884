package crowd

import (
	"bytes"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// FuzzKnown shows a room two frames and holds the fast way, which reads no JSON, against
// the parser: what it knows is what the parser reads.
func FuzzKnown(f *testing.F) {
	s := stamp{run: "abc234", clock: "0a1b2c3d", sender: 1, number: 2, intended: 3}
	m := bw.Message{Room: 1, Epoch: 1700000000000, Seq: 41, ID: s.id(), User: "ann", Timestamp: 1}
	m.Text = s.text(m.User, m.Room, 128)
	first := wire.AppendMessage(nil, &m)
	f.Add(first, first)
	other := m
	other.Seq++
	f.Add(first, wire.AppendMessage(nil, &other))
	f.Add(first, bytes.Replace(first, []byte(`"seq":41`), []byte(`"seq":41e0`), 1))
	f.Add(first, bytes.Replace(first, []byte(`"seq":41`), []byte(`"seq":041`), 1))
	f.Add(first, append(bytes.Clone(first), ' '))
	f.Add(bytes.Replace(first, []byte(`"seq"`), []byte(`"seq":7,"seq"`), 1), first)
	f.Add(bytes.Replace(first, []byte(`"ann"`), []byte(`"ann\"seq\":9"`), 1), first)
	f.Fuzz(func(t *testing.T, one, two []byte) {
		r := newRoom(1, 4)
		for _, payload := range [][]byte{one, two, one, two} {
			parsed, err := wire.ParseServerFrame(payload)
			message := err == nil && parsed.Type == wire.TypeMessage
			seen := r.known(payload)
			if seen != nil && !message {
				t.Fatalf("got %q known, which is no message: %v", payload, err)
			}
			if !message {
				continue
			}
			want := parsed.Message()
			if seen == nil {
				seen, _ = r.see("abc234", payload, &want)
			}
			if seen.at != want.Position() {
				t.Fatalf("got the position %v of %q, want %v", seen.at, payload, want.Position())
			}
			if _, verdict := judge("abc234", &want); seen.verdict != verdict {
				t.Fatalf("got the verdict %d of %q, want %d", seen.verdict, payload, verdict)
			}
		}
	})
}

// TestTheSecondMemberIsServedFast holds the fast way to being taken.
func TestTheSecondMemberIsServedFast(t *testing.T) {
	r := newRoom(1, 32)
	for seq := bw.Seq(1); seq < 100; seq++ {
		s := stamp{run: "abc234", clock: "0a1b2c3d", sender: 1, number: int(seq)}
		m := bw.Message{Room: 1, Epoch: 5, Seq: seq, ID: s.id(), User: "ann", Text: s.text("ann", 1, 128)}
		payload := wire.AppendMessage(nil, &m)
		if got := r.known(payload); got != nil {
			t.Fatalf("got %+v known before it was seen", got)
		}
		r.see("abc234", payload, &m)
		got := r.known(payload)
		if got == nil || got.at != m.Position() || got.stamp.number != int(seq) {
			t.Fatalf("got %+v for the second member, want message %d", got, seq)
		}
	}
}

func TestAnotherMessageInTheSamePlaceIsSeen(t *testing.T) {
	r := newRoom(1, 32)
	for i, want := range []bool{false, true} {
		s := stamp{run: "abc234", clock: "0a1b2c3d", sender: 1, number: i}
		m := bw.Message{Room: 1, Epoch: 5, Seq: 7, ID: s.id(), User: "ann", Text: s.text("ann", 1, 128)}
		seen, differs := r.see("abc234", wire.AppendMessage(nil, &m), &m)
		if differs != want || seen.verdict != genuine {
			t.Errorf("got another message in its place: %t, want %t", differs, want)
		}
	}
}
