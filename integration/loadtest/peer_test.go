package loadtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// received is how many messages a server has written to its clients, by its own account.
func received(t *testing.T, s *stand.Server) int {
	t.Helper()
	response, err := http.Get(s.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^breakwater_messages_out_total (\S+)`).FindSubmatch(text)
	if found == nil {
		t.Fatal("the server has no breakwater_messages_out_total")
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// tokens signs one for each name.
func tokens(t *testing.T, names ...string) (tokens []string) {
	t.Helper()
	lines, err := ground.binary.Command(append([]string{"token", "--token-key", ground.key}, names...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(lines)) {
		_, token, _ := strings.Cut(strings.TrimSpace(line), "\t")
		tokens = append(tokens, token)
	}
	return tokens
}

// makeRoom makes a room on the shared server.
func makeRoom(t *testing.T, token, name string) int64 {
	t.Helper()
	var made struct{ ID int64 }
	if _, err := stand.Call(t.Context(), http.MethodPost, ground.server.URL+"/v1/chatrooms", token, map[string]string{"name": name}, &made); err != nil {
		t.Fatal(err)
	}
	return made.ID
}

// peer is an independent member of the room: another WebSocket library, a JSON decoder, a
// clock read on arrival, and all samples kept. It counts what all peers have heard.
func peer(ctx context.Context, room int64, name, token string, heard *atomic.Int64) (took []time.Duration, err error) {
	url := fmt.Sprintf("%s/v1/chatrooms/%d/join?user=%s", ground.server.URL, room, name)
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(-1)
	for {
		_, payload, err := conn.Read(ctx)
		var now unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
		if err != nil {
			return took, nil // the end of the test
		}
		var frame struct{ Type, Text string }
		if err := json.Unmarshal(payload, &frame); err != nil {
			return nil, err
		}
		if frame.Type != "message" {
			continue
		}
		nanoseconds, err := strconv.ParseInt(strings.Fields(frame.Text)[4], 10, 64)
		if err != nil {
			return nil, err
		}
		took = append(took, time.Duration(now.Nano()-nanoseconds))
		heard.Add(1)
	}
}

// TestPercentilesAgreeWithAnIndependentClient has ten such clients in the room of a fanout. Each
// sees one delivery of a message where the generator sees sixty, and both compete for the CPU
// with the server: the two may differ by a half, or by 10 ms. At rest they differ by a tenth. A
// machine that does something else for a moment spoils one run, and hardly the next ones.
func TestPercentilesAgreeWithAnIndependentClient(t *testing.T) {
	const runs = 3
	for run := range runs {
		differ := disagreements(t, fmt.Sprint("peers ", run))
		if len(differ) == 0 {
			return
		}
		t.Logf("run %d: %q", run+1, differ)
	}
	t.Errorf("the generator and its peers disagreed in each of %d runs", runs)
}

// disagreements are the percentiles of a run in a new room that the two see differently.
func disagreements(t *testing.T, name string) (differ []string) {
	t.Helper()
	const peers = 10
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var mu sync.Mutex
	var all []time.Duration
	var heard atomic.Int64
	names := make([]string, peers)
	for i := range names {
		names[i] = fmt.Sprintf("peer-%d", i)
	}
	signed := tokens(t, names...)
	room := makeRoom(t, signed[0], name)
	for i, name := range names {
		running.Go(func() {
			took, err := peer(ctx, room, name, signed[i], &heard)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	defer running.Wait()
	defer cancel()
	until(t, "the peers are there", func() bool {
		var list struct{ Count int }
		if _, err := stand.Call(t.Context(), http.MethodGet, fmt.Sprintf("%s/v1/chatrooms/%d/users", ground.server.URL, room), "", nil, &list); err != nil {
			t.Fatal(err)
		}
		return list.Count == peers
	})
	o := load(t, "fanout", "--room", fmt.Sprint(room), "--members", "60", "--rate", "50", "--duration", "4s")
	o.ended(t, passed)
	o.want(t, kept())
	until(t, "the peers have heard everything", func() bool { return float64(heard.Load()) >= peers*o.figure(t, "sent") })
	cancel()
	running.Wait()
	if got, want := float64(len(all)), peers*o.figure(t, "sent"); got != want {
		t.Fatalf("the peers got %g messages, want %g", got, want)
	}
	slices.Sort(all)
	for name, q := range map[string]float64{"p50": 0.5, "p90": 0.9, "p99": 0.99} {
		want := all[int(q*float64(len(all)-1))]
		got := time.Duration(o.figure(t, name) * float64(time.Second))
		t.Logf("%s: the generator says %v, the peers %v", name, got, want)
		if diff := (got - want).Abs(); diff > max(want/2, 10*time.Millisecond) {
			differ = append(differ, fmt.Sprintf("got the %s %v, want about the peers' %v", name, got, want))
		}
	}
	return differ
}
