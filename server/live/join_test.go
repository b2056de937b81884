package live

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// aheadBroker knows more than it has delivered.
type aheadBroker struct {
	broker.Broker
	head bw.Position
}

func (b aheadBroker) Tail(context.Context, bw.RoomID, bw.Seq, int) (broker.Tail, error) {
	return broker.Tail{Head: b.head}, nil
}

// TestCatchUp: who has read of a message before this server delivered it
// resumes behind that message, not from anew.
func TestCatchUp(t *testing.T) {
	const epoch, delivered, known = 7, 5, 10
	for _, row := range []struct {
		name  string
		since bw.Position
		waits bool
	}{
		{"delivered", bw.Position{Epoch: epoch, Seq: delivered}, false},
		{"known to the broker", bw.Position{Epoch: epoch, Seq: 8}, true},
		{"never given", bw.Position{Epoch: epoch, Seq: known + 1}, false},
		{"of another epoch", bw.Position{Epoch: epoch - 1, Seq: 8}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				deps := Deps{Broker: aheadBroker{head: bw.Position{Epoch: epoch, Seq: known}}}
				r := &room{hub: &Hub{cfg: DefaultConfig(), deps: deps, metrics: newMetrics(prometheus.NewRegistry())}}
				r.head = bw.Position{Epoch: epoch, Seq: delivered}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- r.catchUp(ctx, row.since) }()
				synctest.Wait()
				if waits := len(done) == 0; waits != row.waits {
					t.Fatalf("got waiting %t, want %t", waits, row.waits)
				}
				for seq := bw.Seq(delivered + 1); row.waits && seq <= row.since.Seq; seq++ {
					if len(done) != 0 {
						t.Errorf("got the end of the wait before seq %d, want it at %d", seq, row.since.Seq)
					}
					r.Deliver([]bw.Message{{Room: r.id, Epoch: epoch, Seq: seq}})
					synctest.Wait()
				}
				if err := <-done; err != nil {
					t.Errorf("got %v, want none", err)
				}
			})
		})
	}
	t.Run("in vain", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := &room{hub: &Hub{deps: Deps{Broker: aheadBroker{head: bw.Position{Epoch: epoch, Seq: known}}}}}
			r.head = bw.Position{Epoch: epoch, Seq: delivered}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := r.catchUp(ctx, bw.Position{Epoch: epoch, Seq: known}); bw.KindOf(err) != bw.Unavailable {
				t.Errorf("got %v, want unavailable", err)
			}
		})
	})
}
