package swarm

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/wire"
)

// TestClosesAreAnsweredAsTheContractAsks goes through its classes of codes.
func TestClosesAreAnsweredAsTheContractAsks(t *testing.T) {
	const window = 4 * time.Second
	for _, test := range []struct {
		code        wire.CloseCode
		final       bool
		least, most time.Duration // of the third wait, with a window
	}{
		{wire.CloseUnauthorized, true, 0, 0},
		{wire.CloseRoomDeleted, true, 0, 0},
		{wire.CloseProtocolError, true, 0, 0},
		{wire.CloseSlowConsumer, false, 0, 2 * time.Second},
		{wire.CloseOverloaded, false, 0, 2 * time.Second},
		{wire.CloseGoingAway, false, 0, 2 * time.Second},
		{wire.CloseDraining, false, 0, window},
		{wire.CloseFenced, false, 0, window},
	} {
		t.Run(test.code.String(), func(t *testing.T) {
			end := endOf(test.code, "")
			if end.Final != test.final {
				t.Fatalf("got final %t, want %t", end.Final, test.final)
			}
			if !end.Final {
				within(t, func(r *rand.Rand) time.Duration { return end.wait(2, window, r) }, test.least, test.most)
			}
		})
	}
}

// within holds many waits to their bounds, and to coming near to both.
func within(t *testing.T, wait func(*rand.Rand) time.Duration, least, most time.Duration) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	shortest, longest := most, least
	for range 1000 {
		got := wait(r)
		if got < least || got > most {
			t.Fatalf("got a wait of %v, want one from %v to %v", got, least, most)
		}
		shortest, longest = min(shortest, got), max(longest, got)
	}
	if near := (most - least) / 20; shortest > least+near || longest < most-near {
		t.Errorf("got waits from %v to %v, want them all over %v to %v", shortest, longest, least, most)
	}
}

func TestRetryAfterIsKept(t *testing.T) {
	answer := "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 21\r\n\r\n{\"code\":\"overloaded\"}"
	for size := range len(answer) {
		if end, whole := refusal([]byte(answer[:size])); whole {
			t.Fatalf("got %+v out of %d bytes of %d", end, size, len(answer))
		}
	}
	end, whole := refusal([]byte(answer))
	if !whole || end.Reason != "overloaded" || end.Status != 503 || isFinal(end.Status) {
		t.Fatalf("got %+v (whole: %t), want one that is overloaded and not final", end, whole)
	}
	within(t, func(r *rand.Rand) time.Duration { return end.wait(0, 0, r) }, 7*time.Second, 7*time.Second+backoffBase)
}

func TestRefusalsThatStay(t *testing.T) {
	for status, want := range map[int]bool{400: true, 401: true, 403: true, 404: true, 408: false, 426: true, 429: false, 500: false, 502: false, 503: false} {
		if got := isFinal(status); got != want {
			t.Errorf("got %t for the status %d, want %t", got, status, want)
		}
	}
	end, _ := refusal([]byte("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops"))
	if end.Reason != "http_502" {
		t.Errorf("got the reason %q for a proxy's page, want http_502", end.Reason)
	}
}

func TestUpgradesAreReadInParts(t *testing.T) {
	const answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
	for size := range len(answer) {
		if got, ok := upgraded([]byte(answer[:size])); got != 0 || !ok {
			t.Fatalf("got %d, %t of %d bytes, want to wait for more", got, ok, size)
		}
	}
	if got, ok := upgraded([]byte(answer + "\x81\x02{}")); got != len(answer) || !ok {
		t.Errorf("got %d, %t, want the answer to end at %d", got, ok, len(answer))
	}
	if _, ok := upgraded([]byte("HTTP/1.1 4")); ok {
		t.Error("got an upgrade out of a refusal")
	}
}

func TestFailuresOfSocketsHaveNames(t *testing.T) {
	for err, want := range map[error]string{
		syscall.ECONNREFUSED: ReasonRefused, syscall.ECONNRESET: ReasonReset, syscall.EPIPE: ReasonReset,
		syscall.ETIMEDOUT: ReasonTimeout, syscall.EADDRNOTAVAIL: ReasonNoPort, errors.New("else"): ReasonNetwork,
	} {
		if got := failed(fmt.Errorf("connecting: %w", err), false).Reason; got != want {
			t.Errorf("got %q for %v, want %q", got, err, want)
		}
	}
}

func TestLoopbackHasPortsForAll(t *testing.T) {
	for _, test := range []struct {
		name        string
		target      string
		connections int
		want        []string
	}{
		{"few", "127.0.0.1", 500, nil},
		{"more than half of the ports", "127.0.0.1", 501, []string{"127.0.0.1", "127.0.0.2"}},
		{"many", "127.0.0.5", 1600, []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"}},
		{"another host", "10.0.0.1", 1_000_000, nil},
		{"IPv6, which has one address", "::1", 1_000_000, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := LoopbackSources(netip.MustParseAddr(test.target), test.connections, 1000)
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestTimersRunInOrderAndNotTooSoon(t *testing.T) {
	var queue timers
	var got []int
	for i, at := range []time.Duration{5, 1, 3, 4, 2} {
		queue.add(at, func() { got = append(got, i) })
	}
	var again func()
	again = func() { queue.add(0, again) } // due whenever it is looked at
	queue.add(2, again)
	queue.run(3)
	if want := "[1 4 2]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if next := queue.next(100); next != 0 {
		t.Errorf("got the next at %v, want 0", next)
	}
	queue.run(10)
	if want := "[1 4 2 3 0]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
