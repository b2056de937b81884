package loadtest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// worker is a worker process.
type worker struct {
	*exec.Cmd
	address string
}

// startWorker starts one that ends with the test.
func startWorker(t *testing.T, args ...string) worker {
	t.Helper()
	w := worker{Cmd: ground.binary.Command(append([]string{"loadtest", "--worker", "--listen", "127.0.0.1:0"}, args...)...)}
	out, err := w.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.Process.Signal(os.Interrupt)
		_ = w.Wait() // it may have been killed
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	w.address = strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	return w
}

// TestWorkersTogetherAreOneRun has members of one room on two workers: each judges what
// the other one's members have sent.
func TestWorkersTogetherAreOneRun(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a secret of twenty bytes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	one, two := startWorker(t, "--worker-secret", secret), startWorker(t, "--worker-secret", secret)
	workers := one.address + "," + two.address

	o := load(t, "fanout", "--members", "101", "--rate", "60", "--duration", "2s", "--workers", workers, "--worker-secret", secret)
	o.ended(t, passed)
	o.want(t, kept())
	sent := o.figure(t, "sent")
	if sent < 80 || sent > 160 {
		t.Errorf("got %g sends, want about 60 a second for 2 s of both together", sent)
	}
	o.want(t, map[string]float64{"acked": sent, "received": 101 * sent})
	if got := o.report.Totals.Latencies["deliver"].Count; got != int64(101*sent) {
		t.Errorf("got %d latencies, want %g: both workers have one clock", got, 101*sent)
	}

	o = load(t, "storm", "--members", "60", "--rooms", "2", "--rate", "20", "--steady", "500ms", "--workers", workers, "--worker-secret", secret)
	o.ended(t, passed)
	o.want(t, kept())
	o.want(t, map[string]float64{"back": 60})

	o = load(t, "fanout", "--members", "10", "--workers", workers)
	o.ended(t, broken)
	if line := o.complaint(t); !strings.Contains(line, "worker "+one.address) && !strings.Contains(line, "worker "+two.address) || !strings.Contains(line, "--worker-secret") {
		t.Errorf("got %q without the secret, want it to name a worker and the secret", line)
	}
}

// TestAWorkerThatDiesIsNamed keeps what it has told before.
func TestAWorkerThatDiesIsNamed(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := ground.binary.StartOn(t, data)
	one, two := startWorker(t), startWorker(t)
	r := start(t, s.URL, "fanout", "--members", "40", "--duration", "60s", "--workers", one.address+","+two.address,
		"--token-key", filepath.Join(data, "token.key"))
	until(t, "they talk", func() bool { return received(t, s) > 3000 })
	if err := two.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	o := r.wait(t)
	o.ended(t, broken)
	if line := o.complaint(t); !strings.Contains(line, fmt.Sprintf("worker %s (part 2 of 2)", two.address)) {
		t.Errorf("got %q, want it to name the worker that died", line)
	}
	if got := o.figure(t, "received"); got < 500 {
		t.Errorf("got %g messages in the report, want those before the end", got)
	}
}
