package redisbroker_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/broker/redisbroker"
)

// BenchmarkSend is how many messages of 128 bytes one broker stores, by the
// number of senders that wait for their acks, and how often Redis syncs.
func BenchmarkSend(b *testing.B) {
	text := strings.Repeat("x", 128)
	for _, fsync := range []string{"everysec", "always"} {
		for _, senders := range []int{1, 4, 16, 64} {
			b.Run(fmt.Sprintf("fsync=%s/senders=%d", fsync, senders), func(b *testing.B) {
				if err := raw.ConfigSet(b.Context(), "appendfsync", fsync).Err(); err != nil {
					b.Fatal(err)
				}
				if err := raw.FlushAll(b.Context()).Err(); err != nil {
					b.Fatal(err)
				}
				s, err := redisbroker.Open(context.Background(), redisbroker.Config{URL: server.URL, BacklogEntries: 1<<20 - 1})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				for room := range bw.RoomID(100) {
					if err := s.Begin(b.Context(), room+1); err != nil {
						b.Fatal(err)
					}
				}
				work := make(chan int)
				var sending sync.WaitGroup
				for range senders {
					sending.Go(func() {
						answered := make(chan error)
						for i := range work {
							s.Send(broker.Send{Room: bw.RoomID(i%100 + 1), User: "ann", ID: bw.MessageID(fmt.Sprint(i)), Text: text},
								func(_ broker.Ack, err error) { answered <- err })
							if err := <-answered; err != nil {
								b.Error(err)
							}
						}
					})
				}
				for i := 0; b.Loop(); i++ {
					work <- i
				}
				close(work)
				sending.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sends/s")
			})
		}
	}
}
