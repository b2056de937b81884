package redisbroker_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker/redisbroker"
)

// TestStormOfFaults has users send at three brokers while Redis and the network
// do what they like. Whatever the seed: each listener sees the seqs grow, each
// once, or is told of a gap; no two see different messages with one seq, no seq
// is given twice, and delivery is whole in the end.
func TestStormOfFaults(t *testing.T) {
	for range 3 {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { stormOfFaults(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func stormOfFaults(t *testing.T, random *rand.Rand) {
	cable := newCable(t)
	cfg := redisbroker.Config{CheckEvery: 200 * time.Millisecond, ProbeEvery: 100 * time.Millisecond, InboxBytes: 2000}
	far := cfg
	far.URL = cable.URL
	tr := startTraffic(t, []*subject{open(t, cfg), open(t, cfg), open(t, far)})
	command := func(args ...any) {
		if err := raw.Do(t.Context(), args...).Err(); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
	faults := []func(){
		func() { command("CLIENT", "KILL", "TYPE", "pubsub") },
		func() { command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") },
		func() { command("SCRIPT", "FLUSH") },
		func() { command("CLIENT", "PAUSE", random.IntN(1000), "WRITE") },
		func() { command("DEL", key("meta", tr.room)) },
		func() { command("XTRIM", key("tail", tr.room), "MAXLEN", 3) },
		func() { flush(t) },
		func() {
			end := cable.swallow([]string{"upstream", "downstream"}[random.IntN(2)])
			<-time.After(time.Duration(random.IntN(700)) * time.Millisecond)
			end()
		},
	}
	for range 15 {
		fault := random.IntN(len(faults))
		t.Logf("fault %d after %d acks", fault, tr.count())
		faults[fault]()
		tr.more(random.IntN(60))
	}
	tr.end()
	said := map[bw.Seq]bw.Message{}
	for i, l := range tr.listeners {
		for _, m := range messages(l.all()) {
			if other, known := said[m.Seq]; known && other != m {
				t.Errorf("listener %d: seq %d is %+v, and %+v elsewhere", i, m.Seq, m, other)
			}
			said[m.Seq] = m
		}
	}
}
