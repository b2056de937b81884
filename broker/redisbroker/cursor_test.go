package redisbroker

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
)

func TestCursorTakes(t *testing.T) {
	const epoch = 7
	type step struct {
		epoch bw.Epoch
		seq   bw.Seq
		text  string
		want  place
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"what follows", []step{{epoch, 11, "a", follows}, {epoch, 12, "b", follows}}},
		{"nothing twice", []step{{epoch, 11, "a", follows}, {epoch, 11, "a", known}}},
		{"nothing older than itself", []step{{epoch, 10, "a", known}, {epoch, 3, "b", known}}},
		{"nothing behind a hole", []step{{epoch, 12, "b", ahead}, {epoch, 11, "a", follows}, {epoch, 12, "b", follows}}},
		{"nothing of an earlier life", []step{{epoch - 1, 11, "a", known}}},
		{"nothing of a later life", []step{{epoch + 1, 11, "a", ahead}}},
		{"nothing after a fork", []step{{epoch, 11, "a", follows}, {epoch, 11, "b", fork}, {epoch, 12, "c", known}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := cursor{at: bw.Position{Epoch: epoch, Seq: 10}}
			for i, s := range test.steps {
				m := bw.Message{Epoch: s.epoch, Seq: s.seq}
				if got := c.take(&m, s.text); got != s.want {
					t.Fatalf("step %d, seq %d of epoch %d: got %d, want %d", i, s.seq, s.epoch, got, s.want)
				}
			}
		})
	}
}

func TestCursorForgetsAForkInTheNextLife(t *testing.T) {
	c := cursor{at: bw.Position{Epoch: 1, Seq: 10}}
	c.take(&bw.Message{Epoch: 1, Seq: 11}, "a")
	c.take(&bw.Message{Epoch: 1, Seq: 11}, "b")
	c.jump(bw.Position{Epoch: 2, Seq: 1000})
	if got := c.take(&bw.Message{Epoch: 2, Seq: 1001}, "c"); got != follows {
		t.Fatalf("first of the next life: got %d, want it to follow", got)
	}
}

// Whatever comes in whatever order, what is handed out is each seq once, in
// order, but for the jumps; and another record of a seq that is remembered is a
// fork, never one of a seq that is not.
func TestCursorAgreesWithModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := cursor{at: bw.Position{Epoch: 1, Seq: bw.Seq(rapid.IntRange(0, 1000).Draw(t, "start"))}}
		handedOut := map[bw.Seq]string{}
		for range rapid.IntRange(1, 2000).Draw(t, "steps") {
			if rapid.IntRange(0, 30).Draw(t, "jump") == 0 {
				c.jump(bw.Position{Epoch: 1, Seq: c.at.Seq + bw.Seq(rapid.IntRange(1, 2*remembered).Draw(t, "by"))})
			}
			seq := c.at.Seq + 1 - bw.Seq(rapid.IntRange(-1, 3).Draw(t, "back"))
			record := fmt.Sprint("record ", seq)
			before, given := handedOut[seq]
			if rapid.IntRange(0, 200).Draw(t, "other") == 0 {
				record = "another one"
			}
			want := ahead
			switch {
			case seq == c.at.Seq+1:
				want, handedOut[seq] = follows, record
			case seq <= c.at.Seq && given && before != record:
				want = fork
			case seq <= c.at.Seq:
				want = known
			}
			if got := c.take(&bw.Message{Epoch: 1, Seq: seq}, record); got != want {
				t.Fatalf("seq %d at %d: got %d, want %d", seq, c.at.Seq, got, want)
			}
			if want == fork {
				return
			}
		}
	})
}
