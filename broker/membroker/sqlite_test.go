package membroker_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/broker/brokertest"
	"github.com/breakwater-chat/breakwater/broker/membroker"
	"github.com/breakwater-chat/breakwater/history/sqlitefts"
)

var _ membroker.Log = (*sqlitefts.DB)(nil)

// openSQLite opens the log in a file and closes it with the test, after what
// was opened later.
func openSQLite(t testing.TB, file string) *sqlitefts.DB {
	t.Helper()
	log, err := sqlitefts.Open(t.Context(), sqlitefts.Config{Path: file})
	if err != nil {
		t.Fatalf("open log: %v", err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Errorf("close log: %v", err)
		}
	})
	return log
}

func TestConformanceOverSQLite(t *testing.T) {
	brokertest.Run(t, func(t *testing.T) brokertest.Harness {
		return harness(membroker.Config{}, openSQLite(t, filepath.Join(t.TempDir(), "messages.db")))
	})
}

func TestRestartOverSQLite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "messages.db")
	var first answer
	t.Run("before", func(t *testing.T) {
		b := membroker.New(membroker.Config{}, openSQLite(t, file))
		defer b.Close()
		first = sendTo(b, "a", "text")
		if first.err != nil || first.Seq != 1 {
			t.Fatalf("send: got %+v, want seq 1", first)
		}
	})
	t.Run("after", func(t *testing.T) {
		b := membroker.New(membroker.Config{}, openSQLite(t, file))
		defer b.Close()
		if again := sendTo(b, "a", "text"); again.err != nil || !again.Duplicate || again.Position != first.Position {
			t.Fatalf("repeat after the restart: got %+v, want the duplicate of %+v", again, first)
		}
		if got := sendTo(b, "a", "other"); bw.KindOf(got.err) != bw.IDConflict {
			t.Fatalf("same id, other text: got %+v, want %s", got, bw.IDConflict)
		}
		next := sendTo(b, "b", "text")
		if want := (bw.Position{Epoch: first.Epoch, Seq: 2}); next.err != nil || next.Position != want {
			t.Fatalf("next message: got %+v, want position %+v", next, want)
		}
	})
}

func sendTo(b broker.Broker, id bw.MessageID, text string) answer {
	answers := make(chan answer, 1)
	b.Send(broker.Send{Room: room, User: "ann", ID: id, Text: text},
		func(a broker.Ack, err error) { answers <- answer{a, err} })
	return <-answers
}

// BenchmarkSendOverSQLite is the way of a message of 128 bytes into a file, with
// at most 1,000 on their way.
func BenchmarkSendOverSQLite(b *testing.B) {
	log := openSQLite(b, filepath.Join(b.TempDir(), "messages.db"))
	s := membroker.New(membroker.Config{}, log)
	defer s.Close()
	text := strings.Repeat("x", 128)
	slots := make(chan struct{}, 1000)
	var answered sync.WaitGroup
	done := func(_ broker.Ack, err error) {
		if err != nil {
			b.Error(err)
		}
		<-slots
		answered.Done()
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		slots <- struct{}{}
		answered.Add(1)
		s.Send(broker.Send{Room: room, User: "ann", ID: bw.MessageID(fmt.Sprint(i)), Text: text}, done)
	}
	answered.Wait()
}
