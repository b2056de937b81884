package sqlitefts

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/history/historytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, path string) *DB {
	t.Helper()
	d, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "messages.db") }

func TestHistory(t *testing.T) {
	historytest.Run(t, func(t *testing.T) historytest.Subject {
		d := open(t, file(t))
		return historytest.Subject{History: d, Commit: func(batch []bw.Message) error {
			return d.Commit(context.Background(), batch)
		}}
	})
}

// lines makes the messages from..to of a room.
func lines(room bw.RoomID, from, to bw.Seq) []bw.Message {
	var batch []bw.Message
	for seq := from; seq <= to; seq++ {
		batch = append(batch, bw.Message{
			Room: room, Epoch: 5, Seq: seq, ID: bw.MessageID(fmt.Sprint("id", seq)), User: "ann",
			Text: fmt.Sprintf("needle %d", seq), Timestamp: 1000 * bw.Millis(seq),
		})
	}
	return batch
}

func search(t *testing.T, d *DB, word string) history.SearchResult {
	t.Helper()
	r, err := d.Search(t.Context(), history.SearchQuery{Terms: []history.Term{{word}}, Limit: 500})
	if err != nil {
		t.Fatalf("search: %v", err)
	}
	return r
}
