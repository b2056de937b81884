package playback

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
)

func TestPagesAreAlignedBySeq(t *testing.T) {
	for _, row := range []struct {
		seq         bw.Seq
		page        int64
		first, last bw.Seq
	}{{1, 0, 1, 100}, {100, 0, 1, 100}, {101, 1, 101, 200}, {200, 1, 101, 200}, {1000*17 + 1, 170, 17001, 17100}} {
		if got := pageOf(row.seq); got != row.page || firstOf(got) != row.first || lastOf(got) != row.last {
			t.Errorf("seq %d: got page %d, %d to %d; want %d, %d to %d", row.seq, got, firstOf(got), lastOf(got), row.page, row.first, row.last)
		}
	}
}

func drawMessage(t *rapid.T) bw.Message {
	number := func(name string) int64 { return rapid.Int64().Draw(t, name) }
	text := func(name string) string { return rapid.String().Draw(t, name) }
	return bw.Message{
		Room: bw.RoomID(rapid.Int64Range(1, int64(bw.MaxRoomID)).Draw(t, "room")), Epoch: bw.Epoch(number("epoch")), Seq: bw.Seq(number("seq")),
		ID: bw.MessageID(text("id")), User: bw.Name(text("user")), Text: text("text"), Timestamp: bw.Millis(number("timestamp")),
	}
}

func TestEncodedPagesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := alignedPage{
			loaded: bw.Millis(rapid.Int64().Draw(t, "loaded")), older: bw.Position{Epoch: bw.Epoch(rapid.Int64().Draw(t, "epoch")), Seq: bw.Seq(rapid.Int64().Draw(t, "older"))},
			messages: rapid.SliceOfN(rapid.Custom(drawMessage), 0, 20).Draw(t, "messages"),
		}
		if len(p.messages) == 0 {
			p.messages = nil
		}
		b := p.encode()
		got, err := decodePage(b)
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Fatalf("got %+v and error %v, want %+v", got, err, p)
		}
		if cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut"); cut < len(b) {
			if got, err := decodePage(b[:cut]); err == nil && len(got.messages) >= len(p.messages) && len(p.messages) > 0 {
				t.Fatalf("of %d of %d bytes: got %+v", cut, len(b), got)
			}
		}
	})
}

func FuzzDecodePage(f *testing.F) {
	f.Add(alignedPage{messages: []bw.Message{{Room: 1, Epoch: 2, Seq: 3, ID: "id", User: "ann", Text: "hello", Timestamp: 4}}}.encode())
	f.Add([]byte{encodingVersion, 0, 0, 0, 2, 2, 2, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodePage(b)
		if err != nil {
			return
		}
		if again, err := decodePage(p.encode()); err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("got %+v and error %v, want %+v", again, err, p)
		}
	})
}

// TestWhatNeverChanges: a page is as good as it will ever be up to a seq if nothing
// is missing from its beginning, nor right below it.
func TestWhatNeverChanges(t *testing.T) {
	now := bw.MillisOf(time.Now())
	born := said(2, 201, 230) // the first of a life
	for i := range born {
		born[i].Timestamp = now - bw.Millis(time.Minute/time.Millisecond)
	}
	for _, row := range []struct {
		name     string
		newest   []bw.Message // of the history
		later    time.Duration
		page     int64
		up, upTo bw.Seq // from what seq to what seq it is good
		settled  bool
	}{
		{"the first page", said(1, 1, 50), 0, 0, 1, 50, true},
		{"a later one", said(1, 200, 250), 0, 2, 201, 250, true},
		{"a full one", said(1, 200, 300), 0, 2, 201, 300, true},
		{"what was said before is not kept any more", said(1, 201, 250), 0, 2, 201, 250, true},
		{"the one below it lacks", slices.Concat(said(1, 150, 199), said(1, 201, 250)), 0, 2, 0, 0, false},
		{"its first lacks", slices.Concat(said(1, 150, 200), said(1, 202, 250)), 0, 2, 0, 0, false},
		{"one lacks", slices.Concat(said(1, 200, 219), said(1, 221, 250)), 0, 2, 201, 219, false},
		{"a life that began a minute ago", slices.Concat(said(1, 1, 30), born), 0, 2, 0, 0, false},
		{"a life that began long ago", slices.Concat(said(1, 1, 30), born), indexed, 2, 201, 230, true},
		{"the first life that is known", born, indexed, 2, 201, 230, true},
		{"an empty page, which stands for one below", said(1, 1, 50), 0, 7, 0, 0, true},
		{"an empty room", nil, 0, 0, 0, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newAlignedPage(row.newest)
			p.loaded = now + bw.Millis(row.later/time.Millisecond)
			for seq := firstOf(row.page); seq <= lastOf(row.page); seq++ {
				if got, want := p.reaches(row.page, seq), seq >= row.up && seq <= row.upTo; got != want {
					t.Errorf("up to seq %d: got %t, want %t", seq, got, want)
				}
			}
			if got := p.settled(); got != row.settled {
				t.Errorf("settled: got %t, want %t", got, row.settled)
			}
		})
	}
}
