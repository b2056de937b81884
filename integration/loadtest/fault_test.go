package loadtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/breakwater-chat/breakwater/internal/loopback"
)

// TestWhatCannotBeLoadedSaysSoInALine gives targets and tokens that are wrong: a line, a
// status, and a report all the same.
func TestWhatCannotBeLoadedSaysSoInALine(t *testing.T) {
	nowhere, err := loopback.FreeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	otherKey := file("other.key", strings.Repeat("another secret ", 4))
	annsToken := file("tokens", "ann\t"+tokens(t, "ann")[0]+"\n")
	wrongTokens := file("wrong", "ann\tnot.a.token\n")
	for _, test := range []struct {
		name, target string
		args         []string
		status       int
		want         string
	}{
		{"nobody listens", "http://" + nowhere, nil, broken, "connection refused"},
		{"nobody listens for members either", "http://" + nowhere, []string{"--tokens", annsToken, "--room", "1", "--give-up", "1s"}, broken, "no connection to http://" + nowhere + " for 1s: refused"},
		{"a key that the server does not know", ground.server.URL, []string{"--token-key", otherKey}, broken, "unauthorized"},
		{"a token that is none", ground.server.URL, []string{"--tokens", wrongTokens, "--room", "1"}, broken, "ann is refused for good: unauthorized (401)"},
		{"a room that is not there", ground.server.URL, []string{"--room", "99999"}, broken, "no_such_room"},
		{"worse than expected", ground.server.URL, []string{"--duration", "1s", "--expect", "p50=1ns"}, unexpected, "not as expected: p50 is"},
		{"a worker that is not there", ground.server.URL, []string{"--workers", nowhere}, broken, "worker " + nowhere},
		{"a scenario that is none", ground.server.URL, []string{"--rate=-1"}, wrongUsage, "--rate"},
		{"an expectation of nothing", ground.server.URL, []string{"--expect", "speed=1"}, wrongUsage, "speed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := start(t, test.target, append([]string{"fanout", "--members", "5"}, test.args...)...).wait(t)
			o.ended(t, test.status)
			if line := o.complaint(t); !strings.Contains(line, test.want) {
				t.Errorf("got %q, want it to say %q", line, test.want)
			}
			if test.status == broken && o.report.Broken == "" {
				t.Error("got a report that does not say why the run was broken")
			}
		})
	}
}

// TestTooFewDescriptors starts it with a limit.
func TestTooFewDescriptors(t *testing.T) {
	args := arguments(t, ground.server.URL, []string{"fanout", "--members", "500"})
	command := exec.Command("sh", append([]string{"-c", `ulimit -n 200; exec "$0" "$@"`, ground.binary.Command().Path}, args...)...)
	o := launch(t, command).wait(t)
	o.ended(t, broken)
	if line := o.complaint(t); !strings.Contains(line, "need 564 file descriptors, 200 are allowed") {
		t.Errorf("got %q, want it to say how many are needed", line)
	}
}

// TestATargetThatStopsHalfWay keeps what there was until then.
func TestATargetThatStopsHalfWay(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := ground.binary.StartOn(t, data)
	r := start(t, s.URL, "fanout", "--members", "50", "--duration", "60s", "--give-up", "2s", "--token-key", filepath.Join(data, "token.key"))
	until(t, "it talks", func() bool { return received(t, s) > 500 })
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	o := r.wait(t)
	o.ended(t, broken)
	if line := o.complaint(t); !strings.Contains(line, "no connection to "+s.URL+" for 2s") {
		t.Errorf("got %q, want it to say that the target is gone", line)
	}
	if got := o.figure(t, "received"); got < 500 {
		t.Errorf("got %g messages in the report, want those before the end", got)
	}
	o.want(t, map[string]float64{"closed": 50, "away": 50})
	if len(o.report.Points) < 2 || o.report.Broken == "" {
		t.Errorf("got %d seconds and %q, want those before the end and why it came", len(o.report.Points), o.report.Broken)
	}
}

// TestAnInterruptedRunReportsWhatThereIs sends it a SIGINT.
func TestAnInterruptedRunReportsWhatThereIs(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := ground.binary.StartOn(t, data)
	r := start(t, s.URL, "fanout", "--members", "40", "--duration", "60s", "--token-key", filepath.Join(data, "token.key"))
	until(t, "it talks", func() bool { return received(t, s) > 500 })
	if err := r.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	o := r.wait(t)
	o.ended(t, broken)
	if line := o.complaint(t); !strings.Contains(line, "interrupted") {
		t.Errorf("got %q, want it to say that it was interrupted", line)
	}
	if got := o.figure(t, "received"); got < 500 {
		t.Errorf("got %g messages in the report, want those before the end", got)
	}
}

// TestATargetThatSpeaksNoHTTP answers with something else, and then with nothing.
func TestATargetThatSpeaksNoHTTP(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := context.AfterFunc(t.Context(), func() { _ = l.Close() })
	defer stop()
	defer l.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprint(conn, "220 mail is over there\r\n\r\n")
			_ = conn.Close()
		}
	}()
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("ann\tabc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := start(t, "http://"+l.Addr().String(), "fanout", "--members", "3", "--tokens", tokens, "--room", "1", "--give-up", "2s").wait(t)
	o.ended(t, broken)
	if line := o.complaint(t); !strings.Contains(line, "no connection to") {
		t.Errorf("got %q, want it to say that there is no connection", line)
	}
	_ = l.Close()
	<-ended
}
