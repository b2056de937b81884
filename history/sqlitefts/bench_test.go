package sqlitefts

import (
	"fmt"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
)

// chat makes batch number n of a busy deployment: 16 rooms, 200 users.
func chat(n, size int) []bw.Message {
	batch := make([]bw.Message, size)
	for i := range batch {
		k := n*size + i
		batch[i] = bw.Message{
			Room: bw.RoomID(k%16 + 1), Epoch: 1_700_000_000_000, Seq: bw.Seq(k/16 + 1),
			ID: bw.MessageID(fmt.Sprintf("%08x-%d", uint32(k)*2654435761, k)), User: bw.Name(fmt.Sprintf("user%d", k%200)),
			Text:      fmt.Sprintf("message number %d is of about the length that people write in a chat", k),
			Timestamp: 1_700_000_000_000 + bw.Millis(k),
		}
	}
	return batch
}

// BenchmarkCommit says what a message costs until it is on disk, in batches,
// without the index's share.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d, err := Open(b.Context(), Config{Path: file(b), IndexDelay: time.Hour})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			n := 0
			for b.Loop() {
				if err := d.Commit(b.Context(), chat(n, size)); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n*size), "µs/message")
		})
	}
}

// BenchmarkIndex says what a message costs to be found by its words.
func BenchmarkIndex(b *testing.B) {
	d, err := Open(b.Context(), Config{Path: file(b), IndexDelay: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	n := 0
	for b.Loop() {
		b.StopTimer()
		if err := d.Commit(b.Context(), chat(n, indexBatch)); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := d.indexer.catchUp(b.Context()); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n*indexBatch), "µs/message")
}

// BenchmarkSearch finds one page of a common word among many messages.
func BenchmarkSearch(b *testing.B) {
	d := open(b, file(b))
	for n := range 200 {
		if err := d.Commit(b.Context(), chat(n, 256)); err != nil {
			b.Fatal(err)
		}
	}
	for name, q := range map[string]history.SearchQuery{
		"all rooms": {Terms: []history.Term{{"message"}}, Limit: 50},
		"one room":  {Room: 3, Terms: []history.Term{{"message"}}, Limit: 50},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := d.Search(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
