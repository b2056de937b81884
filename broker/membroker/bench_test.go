package membroker_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/broker/membroker"
)

// noLog stores nothing: what remains is the broker's own cost.
type noLog struct{}

func (noLog) Head(context.Context, bw.RoomID) (bw.Position, bw.Millis, error) {
	return bw.Position{Epoch: 1}, 0, nil
}
func (noLog) Commit(context.Context, []bw.Message) error { return nil }
func (noLog) FindSend(context.Context, bw.RoomID, bw.Name, bw.MessageID, bw.Millis) (bw.Message, bool, error) {
	return bw.Message{}, false, nil
}

func (noLog) ReadAfter(context.Context, bw.RoomID, bw.Seq, int) ([]bw.Message, error) {
	return nil, nil
}

type deaf struct{}

func (deaf) Deliver([]bw.Message)         {}
func (deaf) Gap(bw.Epoch, bw.Seq, bw.Seq) {}
func (deaf) Notify(broker.Notice)         {}

// BenchmarkSend is the way of a message of 128 bytes through the broker alone,
// with at most 1,000 on their way.
func BenchmarkSend(b *testing.B) {
	for _, rooms := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("rooms=%d", rooms), func(b *testing.B) {
			s := membroker.New(membroker.Config{}, noLog{})
			defer s.Close()
			for i := range rooms {
				subscription, _, err := s.Subscribe(b.Context(), bw.RoomID(i+1), deaf{})
				if err != nil {
					b.Fatal(err)
				}
				defer subscription.Close()
			}
			ids := make([]bw.MessageID, 1<<16)
			for i := range ids {
				ids[i] = bw.MessageID(fmt.Sprintf("%036d", i))
			}
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
			var user bw.Name
			for i := 0; b.Loop(); i++ {
				if i%len(ids) == 0 {
					// The ids begin again, so it must be somebody else's turn.
					user = bw.Name(fmt.Sprint("user ", i))
				}
				slots <- struct{}{}
				answered.Add(1)
				s.Send(broker.Send{Room: bw.RoomID(i%rooms + 1), User: user, ID: ids[i%len(ids)], Text: text}, done)
			}
			answered.Wait()
		})
	}
}
