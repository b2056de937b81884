package redisbroker_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/breakwater-chat/breakwater/broker/redisbroker"
)

// cable is the network between a broker and Redis.
type cable struct {
	t     *testing.T
	proxy *toxiproxy.Proxy
	// URL leads through it.
	URL string
}

func newCable(t *testing.T) *cable {
	t.Helper()
	options, err := redis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "redis", "127.0.0.1:0", options.Addr)
	if err := proxy.Start(); err != nil {
		t.Fatalf("start the proxy: %v", err)
	}
	t.Cleanup(proxy.Stop)
	return &cable{t: t, proxy: proxy, URL: "redis://" + proxy.Listen + "/0"}
}

// swallow drops whatever is sent in that direction, without closing anything.
func (c *cable) swallow(direction string) (end func()) {
	c.t.Helper()
	toxic, err := c.proxy.Toxics.AddToxicJson(strings.NewReader(`{"type": "timeout", "stream": "` + direction + `", "attributes": {"timeout": 0}}`))
	if err != nil {
		c.t.Fatalf("swallow: %v", err)
	}
	return func() {
		if err := c.proxy.Toxics.RemoveToxic(context.Background(), toxic.Name); err != nil {
			c.t.Errorf("end swallowing: %v", err)
		}
	}
}

// What is sent to Redis vanishes, or its answers do: every send is answered
// within a second, health says why, and afterwards all goes on without a gap.
func TestBlackHole(t *testing.T) {
	for _, direction := range []string{"upstream", "downstream"} {
		t.Run(direction, func(t *testing.T) {
			c := newCable(t)
			far := open(t, redisbroker.Config{URL: c.URL, ProbeEvery: 200 * time.Millisecond})
			// untilAcked checks how long the answers take.
			tr := startTraffic(t, []*subject{far, open(t, redisbroker.Config{})})
			tr.more(50)
			end := c.swallow(direction)
			eventually(t, "bad health", func() bool { return far.Healthy(context.Background()) != nil })
			<-time.After(outage)
			if far.Healthy(context.Background()) == nil {
				t.Error("health in a black hole: got none, want a reason")
			}
			end()
			eventually(t, "health", func() bool { return far.Healthy(context.Background()) == nil })
			tr.more(50)
			tr.endWithoutGaps()
		})
	}
}

// The answer to a send is lost, and it is stored: when the send is tried again,
// within its time, that is no repeat of anybody's.
func TestLostAnswerIsNoDuplicate(t *testing.T) {
	c := newCable(t)
	far := open(t, redisbroker.Config{URL: c.URL, SendTimeout: 6 * time.Second})
	room := far.newRoom()
	far.send(room, "before")
	end := c.swallow("downstream")
	answer := far.begin(room, "unanswered")
	eventually(t, "the message in the log", func() bool { return raw.XLen(t.Context(), key("tail", room)).Val() == 2 })
	eventually(t, "the end of the first attempt", func() bool { return far.metric("commit_failures_total") > 0 })
	end()
	if a := <-answer; a.err != nil || a.Duplicate || a.Seq != 2 {
		t.Errorf("answer: got %+v, want the ack of a new message", a)
	}
}

// wire is a network whose connections can die without a sign.
type wire struct {
	net.Listener
	target string
	copies sync.WaitGroup

	mu    sync.Mutex
	conns []*deadly
}

// deadly swallows what is written to it once it is dead.
type deadly struct {
	net.Conn
	dead atomic.Bool
}

func (d *deadly) Write(b []byte) (int, error) {
	if d.dead.Load() {
		return len(b), nil
	}
	return d.Conn.Write(b)
}

func newWire(t *testing.T) *wire {
	t.Helper()
	options, err := redis.ParseURL(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{target: options.Addr}
	if w.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	w.copies.Go(w.accept)
	t.Cleanup(func() {
		w.Close()
		w.mu.Lock()
		for _, c := range w.conns {
			c.Close()
		}
		w.mu.Unlock()
		w.copies.Wait()
	})
	return w
}

func (w *wire) accept() {
	for {
		near, err := w.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.target)
		if err != nil {
			near.Close()
			continue
		}
		a, b := &deadly{Conn: near}, &deadly{Conn: far}
		w.mu.Lock()
		w.conns = append(w.conns, a, b)
		w.mu.Unlock()
		for from, to := range map[*deadly]*deadly{a: b, b: a} {
			w.copies.Go(func() {
				_, _ = io.Copy(struct{ io.Writer }{to}, from.Conn)
				to.Close()
			})
		}
	}
}

// kill lets all connections that there are stay open and carry nothing.
func (w *wire) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.dead.Store(true)
	}
}

// All connections die without a sign; new ones would work.
func TestConnectionsDieInSilence(t *testing.T) {
	w := newWire(t)
	far := open(t, redisbroker.Config{URL: "redis://" + w.Addr().String(), ProbeEvery: 100 * time.Millisecond, CheckEvery: time.Hour})
	tr := startTraffic(t, []*subject{far, open(t, redisbroker.Config{})})
	for range 3 {
		tr.more(50)
		w.kill()
	}
	tr.more(50)
	tr.endWithoutGaps()
	if got := far.metric("subscriptions_total"); got < 2 {
		t.Errorf("subscriptions: got %v, want the dead ones replaced", got)
	}
}

// The subscription is open and dead, and nobody sends: health notices.
func TestDeadSubscriptionWithoutSends(t *testing.T) {
	c := newCable(t)
	far := open(t, redisbroker.Config{URL: c.URL, ProbeEvery: 100 * time.Millisecond, CheckEvery: time.Hour})
	near := open(t, redisbroker.Config{})
	room := near.newRoom()
	l := far.listen(room)
	end := c.swallow("downstream")
	eventually(t, "bad health", func() bool { return far.Healthy(context.Background()) != nil })
	last := near.send(room, "unheard")
	end()
	if got := l.upTo(last.Position); len(gaps(got)) > 0 {
		t.Errorf("got %+v, want no gap", got)
	}
	eventually(t, "health", func() bool { return far.Healthy(context.Background()) == nil })
}

// Redis stands still, then goes on: what was answered Unavailable may be sent
// again, and is stored once.
func TestRedisStandsStill(t *testing.T) {
	tr := startTraffic(t, openThree(t, redisbroker.Config{}))
	tr.more(50)
	if err := server.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-time.After(outage)
	if err := server.Unpause(t.Context()); err != nil {
		t.Fatal(err)
	}
	tr.more(50)
	tr.endWithoutGaps()
}

// Redis refuses to write, as a replica does.
func TestReadOnly(t *testing.T) {
	tr := startTraffic(t, openThree(t, redisbroker.Config{}))
	tr.more(50)
	set := func(replicas string) {
		if err := raw.ConfigSet(context.Background(), "min-replicas-to-write", replicas).Err(); err != nil {
			t.Fatalf("configure Redis: %v", err)
		}
	}
	set("1")
	defer set("0")
	eventually(t, "bad health", func() bool { return tr.brokers[0].Healthy(context.Background()) != nil })
	set("0")
	tr.more(50)
	tr.endWithoutGaps()
}

// The scripts are gone from Redis's cache, as after a restart.
func TestScriptsAreFlushed(t *testing.T) {
	b := open(t, redisbroker.Config{})
	room := b.newRoom()
	for i := range 3 {
		if err := raw.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			b.listen(b.newRoom())
		}
		b.send(room, string(rune('a'+i)))
	}
}
