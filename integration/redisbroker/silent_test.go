package redisbroker_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker/redisbroker"
)

// storeSilently stores a message that nobody is told of.
func storeSilently(t *testing.T, room bw.RoomID, id string) bw.Position {
	t.Helper()
	ctx := context.Background()
	meta, err := raw.HMGet(ctx, key("meta", room), "epoch", "seq").Result()
	if err != nil {
		t.Fatalf("read meta: %v", err)
	}
	epoch, _ := strconv.ParseInt(meta[0].(string), 10, 64)
	seq, _ := strconv.ParseInt(meta[1].(string), 10, 64)
	seq++
	record := []byte{1}
	for _, word := range []int64{epoch, seq, time.Now().UnixMilli(), 0, int64(room)} {
		record = binary.BigEndian.AppendUint64(record, uint64(word))
	}
	for _, s := range []string{id, "ann"} {
		record = append(binary.AppendUvarint(record, uint64(len(s))), s...)
	}
	record = append(record, "text of "+id...)
	if err := raw.Do(ctx, "XADD", key("tail", room), fmt.Sprintf("%d-0", seq), "m", record).Err(); err != nil {
		t.Fatalf("store: %v", err)
	}
	if err := raw.HSet(ctx, key("meta", room), "seq", seq).Err(); err != nil {
		t.Fatalf("store: %v", err)
	}
	return bw.Position{Epoch: bw.Epoch(epoch), Seq: bw.Seq(seq)}
}

// A message is stored and its announcement lost, with nothing behind it.
func TestSilentLossIsFound(t *testing.T) {
	b := open(t, redisbroker.Config{CheckEvery: 100 * time.Millisecond})
	unchecked := open(t, redisbroker.Config{CheckEvery: time.Hour})
	room := b.newRoom()
	l, control := b.listen(room), unchecked.listen(room)
	b.send(room, "1")
	control.upTo(l.upTo(b.send(room, "2").Position)[1].Position())
	lost := storeSilently(t, room, "3")
	if got := l.upTo(lost); len(gaps(got)) > 0 {
		t.Errorf("got gaps in %+v, want none", got)
	}
	// Without the check it would be lost until the next message.
	if got := len(control.all()); got != 2 {
		t.Fatalf("without checks: got %d messages, want the loss to go unseen", got)
	}
	last := b.send(room, "4")
	if got := messages(control.upTo(last.Position)); len(got) != 4 || got[2].ID != "3" {
		t.Errorf("delivered around a hole: got %+v, want it filled", got)
	}
}

// The subscriptions are cut again and again in mid-traffic, each time once all
// of them are there again.
func TestSubscriptionsAreCut(t *testing.T) {
	const cuts = 10
	tr := startTraffic(t, openThree(t, redisbroker.Config{}))
	for n := range cuts {
		tr.more(50)
		for i, b := range tr.brokers {
			eventually(t, fmt.Sprintf("subscription %d of broker %d", n+1, i), func() bool {
				return b.metric("subscriptions_total") > float64(n)
			})
		}
		if err := raw.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
			t.Fatalf("cut: %v", err)
		}
	}
	tr.more(50)
	tr.endWithoutGaps()
}

// What was cut off while a message came is brought up to it, though nothing
// follows and nothing is checked.
func TestReconnectionReadsWhatWasMissed(t *testing.T) {
	b := open(t, redisbroker.Config{CheckEvery: time.Hour})
	room := b.newRoom()
	l := b.listen(room)
	b.send(room, "1")
	lost := storeSilently(t, room, "2")
	if err := raw.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
		t.Fatalf("cut: %v", err)
	}
	if got := l.upTo(lost); len(got) != 2 || got[1].ID != "2" {
		t.Errorf("delivered: got %+v, want both", got)
	}
}
