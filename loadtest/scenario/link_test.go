package scenario

import (
	"net"
	"strings"
	"sync"
	"testing"
)

// TestOnlyWhoHasTheSecretIsHeard greets with secrets of both sides.
func TestOnlyWhoHasTheSecretIsHeard(t *testing.T) {
	const long = "a secret that is long enough"
	for _, test := range []struct {
		name, worker, coordinator, want string
	}{
		{"both have it", long, long, ""},
		{"neither has one", "", "", ""},
		{"the coordinator has none", long, "", "another --worker-secret"},
		{"the worker has none", "", long, "another --worker-secret"},
		{"they have different ones", long + "!", long, "another --worker-secret"},
	} {
		t.Run(test.name, func(t *testing.T) {
			one, other := net.Pipe()
			var running sync.WaitGroup
			var ofWorker error
			running.Go(func() {
				defer other.Close()
				ofWorker = newLink(other).greetCoordinator([]byte(test.worker))
			})
			got := newLink(one).greetWorker([]byte(test.coordinator))
			one.Close()
			running.Wait()
			if test.want == "" && (got != nil || ofWorker != nil) {
				t.Errorf("got %v and %v, want them to greet", got, ofWorker)
			}
			if test.want != "" && (got == nil || !strings.Contains(got.Error(), test.want) || ofWorker == nil) {
				t.Errorf("got %v and %v, want %q", got, ofWorker, test.want)
			}
		})
	}
}

// TestAnEchoProvesNothing has somebody without the secret ask the worker itself, on a second
// connection, for the proof that the first one needs.
func TestAnEchoProvesNothing(t *testing.T) {
	var running sync.WaitGroup
	var refused [2]error
	var links [2]*link
	for i := range links {
		one, other := net.Pipe()
		defer one.Close()
		links[i] = newLink(one)
		running.Go(func() {
			defer other.Close()
			refused[i] = newLink(other).greetCoordinator([]byte("a secret that is long enough"))
		})
	}
	ask := func(l *link, n note) note {
		t.Helper()
		if err := l.send(n); err != nil {
			t.Fatal(err)
		}
		answer, err := l.receive(greeting)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	asked := ask(links[0], note{Nonce: "mine"})
	echo := ask(links[1], note{Nonce: asked.Nonce})
	if err := links[0].send(note{Proof: echo.Proof}); err != nil {
		t.Fatal(err)
	}
	links[1].conn.Close()
	running.Wait()
	if refused[0] == nil {
		t.Error("got an echo taken for a proof, want it refused")
	}
}
