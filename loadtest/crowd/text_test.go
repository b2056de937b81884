package crowd

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
)

// anySend draws a message as a member sends it.
func anySend(t *rapid.T) (stamp, bw.Message) {
	s := stamp{
		run: "abc234", clock: "0a1b2c3d", sender: rapid.IntRange(0, 1<<20).Draw(t, "sender"),
		number: rapid.IntRange(1, 1<<30).Draw(t, "number"), intended: time.Duration(rapid.Int64Min(0).Draw(t, "intended")),
	}
	m := bw.Message{Room: bw.RoomID(rapid.Int64Range(1, 1<<31).Draw(t, "room")), Epoch: 1, Seq: 1, ID: s.id(), User: "Grüße"}
	m.Text = s.text(m.User, m.Room, rapid.IntRange(MinText, 4096).Draw(t, "size"))
	return s, m
}

func TestTextsSayWhatTheyWereSentWith(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, m := anySend(t)
		if got, verdict := judge("abc234", &m); verdict != genuine || got != want {
			t.Fatalf("got %+v (verdict %d), want %+v", got, verdict, want)
		}
		if _, verdict := judge("other2", &m); verdict != foreign {
			t.Fatalf("got the verdict %d of another run, want foreign", verdict)
		}
	})
}

func TestTextsHaveTheirSize(t *testing.T) {
	for _, size := range []int{MinText, 128, 4096} {
		s := stamp{run: "abc234", clock: "0a1b2c3d", sender: 12345, number: 678910, intended: 1 << 60}
		if got := len(s.text("ann", 1<<31-1, size)); got != size {
			t.Errorf("got a text of %d bytes, want %d", got, size)
		}
	}
}

// TestAnyDamageIsSeen changes a byte of the text, the id, the name or the room.
func TestAnyDamageIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, m := anySend(t)
		flip := func(text string, label string) string {
			b := []byte(text)
			b[rapid.IntRange(0, len(b)-1).Draw(t, label)] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
			return string(b)
		}
		switch rapid.IntRange(0, 4).Draw(t, "damage") {
		case 0:
			m.Text = flip(m.Text, "at")
		case 1:
			m.ID = bw.MessageID(flip(string(m.ID), "at"))
		case 2:
			m.User = bw.Name(flip(string(m.User), "at"))
		case 3:
			m.Room++
		case 4:
			m.Text = m.Text[:rapid.IntRange(7, len(m.Text)-1).Draw(t, "cut")]
		}
		if _, verdict := judge("abc234", &m); verdict != damaged {
			t.Fatalf("got the verdict %d of %+v, want damaged", verdict, m)
		}
	})
}
