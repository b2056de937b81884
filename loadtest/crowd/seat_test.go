package crowd

import (
	"testing"

	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
)

// TestSeatsCountEveryLie delivers messages with some left out, repeated and delayed, and
// holds the count against what was really done.
func TestSeatsCountEveryLie(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := seat{at: bw.Position{Epoch: 1, Seq: 10}, joined: true}
		seen := map[bw.Seq]bool{}
		newest := s.at.Seq
		var lost, late, doubled int64
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			seq := max(11, newest+1+bw.Seq(rapid.IntRange(-5, 3).Draw(t, "seq")))
			wantLate, wantDouble := seq <= newest && !seen[seq], seen[seq]
			how, missing := s.advance(bw.Position{Epoch: 1, Seq: seq})
			switch how {
			case stepHole:
				lost += missing
			case stepLate:
				lost--
				late++
			case stepDouble:
				doubled++
			}
			if (how == stepLate) != wantLate || (how == stepDouble) != wantDouble {
				t.Fatalf("got step %d for seq %d at %d, want late: %t, doubled: %t", how, seq, newest, wantLate, wantDouble)
			}
			seen[seq] = true
			newest = max(newest, seq)
		}
		if want := int64(newest-10) - int64(len(seen)); lost != want {
			t.Fatalf("got %d lost, want %d of the %d up to %d (%d late, %d doubled)", lost, want, newest-10, newest, late, doubled)
		}
	})
}

func TestSeatsAreShortOfHeads(t *testing.T) {
	for _, test := range []struct {
		name string
		seat seat
		head bw.Position
		want int64
	}{
		{"has all", seat{joined: true, at: bw.Position{Epoch: 1, Seq: 9}}, bw.Position{Epoch: 1, Seq: 9}, 0},
		{"has more than this process knows of", seat{joined: true, at: bw.Position{Epoch: 1, Seq: 10}}, bw.Position{Epoch: 1, Seq: 9}, 0},
		{"misses the last two", seat{joined: true, at: bw.Position{Epoch: 1, Seq: 7}}, bw.Position{Epoch: 1, Seq: 9}, 2},
		{"is not there", seat{at: bw.Position{Epoch: 1, Seq: 7}}, bw.Position{Epoch: 1, Seq: 9}, 0},
		{"is in a later life", seat{joined: true, at: bw.Position{Epoch: 2, Seq: 7}}, bw.Position{Epoch: 1, Seq: 9}, 0},
		{"nothing was acked", seat{joined: true, at: bw.Position{Epoch: 1, Seq: 7}}, bw.Position{}, 0},
	} {
		if got := test.seat.short(test.head); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}
