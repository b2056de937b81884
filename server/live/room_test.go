package live

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
)

// chattyLink has something happen during its first write.
type chattyLink struct {
	narrowLink
	during func()
}

func (l *chattyLink) write(bufs [][]byte) (int, error) {
	if during := l.during; during != nil {
		l.during = nil
		during()
	}
	return l.narrowLink.write(bufs)
}

// TestABusyRoomFillsItsWrites: what arrives while a large room is written waits
// a moment for more; a small room and a quiet one do not wait.
func TestABusyRoomFillsItsWrites(t *testing.T) {
	for _, row := range []struct {
		name    string
		members int
		waits   bool
	}{{"large", busyMembers, true}, {"small", busyMembers - 1, false}} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := &Hub{cfg: DefaultConfig(), metrics: newMetrics(prometheus.NewRegistry()), sched: newScheduler()}
				r := &room{hub: hub, id: 1}
				seq := bw.Seq(0)
				deliver := func() {
					seq++
					r.Deliver([]bw.Message{{Room: 1, Epoch: 1, Seq: seq}})
				}
				asked := func() bool { // for a pass; if so, takes the job as a worker does
					hub.sched.mu.Lock()
					defer hub.sched.mu.Unlock()
					waits := len(hub.sched.queue) > hub.sched.next
					hub.sched.next, r.job = len(hub.sched.queue), jobIdle
					return waits
				}
				links := make([]*chattyLink, row.members)
				for i := range links {
					links[i] = &chattyLink{narrowLink: narrowLink{room: -1}}
					c := &conn{hub: hub, link: links[i]}
					c.rooms = []*member{{conn: c, room: r, index: i}}
					r.members = append(r.members, c.rooms[0])
				}
				deliver()
				if !asked() {
					t.Fatal("got a message in a quiet room waiting, want it written at once")
				}
				links[row.members-1].during = deliver
				<-time.After(time.Millisecond)
				r.work()
				if got := asked(); got == row.waits {
					t.Errorf("got a pass at once %t behind a busy one, want %t", got, !row.waits)
				}
				if row.waits {
					<-time.After(hub.cfg.BusyDelay + 1)
					synctest.Wait()
					if !asked() {
						t.Errorf("got no pass %v after a busy one, want what came meanwhile written", hub.cfg.BusyDelay)
					}
				}
				r.work()
				for i, l := range links {
					if got := len(l.frames()); got != 2 {
						t.Errorf("got %d frames at member %d, want both messages", got, i)
					}
				}
			})
		})
	}
}
