//go:build linux

package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// startReference runs the reference within the test's process.
func startReference(t *testing.T) *process {
	t.Helper()
	stop, ended := make(chan os.Signal), make(chan error, 1)
	read, write := io.Pipe()
	go func() { ended <- serveReference(stop, write) }()
	t.Cleanup(func() {
		close(stop)
		if err := <-ended; err != nil {
			t.Errorf("the reference failed: %v", err)
		}
	})
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatalf("reading where the reference listens: %v", err)
	}
	port, err := strconv.Atoi(line[strings.LastIndex(line, ":")+1 : len(line)-1])
	if err != nil {
		t.Fatalf("got %q, want a port: %v", line, err)
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatalf("finding this process: %v", err)
	}
	return &process{cmd: &exec.Cmd{Process: self}, port: port}
}

func TestLoadReachesEveryMemberOfTheReference(t *testing.T) {
	server := startReference(t)
	w, err := newSwarm(server.port, func(i int) string { return floor{}.request(i, 0) })
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if err := w.join(50, 8); err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]load{
		"saturated": {publishers: 4, window: 16, warm: 10 * time.Millisecond, measured: 200 * time.Millisecond},
		"at a rate": {publishers: 4, rate: 100, warm: 10 * time.Millisecond, measured: 200 * time.Millisecond},
	} {
		got, err := l.run(w, server)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.DeliveriesPerSecond < 50*10 || got.P50Milliseconds > got.P99Milliseconds {
			t.Errorf("%s: got %+v, want some hundred deliveries", name, got)
		}
	}
	if len(w.outstanding) > 0 {
		t.Errorf("got %d sends that never came back, want none", len(w.outstanding))
	}
}

func TestExchangeNoticesBrokenPromises(t *testing.T) {
	message := func(seq int, id, user, text string) string {
		return `{"type":"message","room":1,"epoch":1,"seq":` + strconv.Itoa(seq) + `,"id":"` + id + `","user":"` + user + `","text":"` + text + `","timestamp":1}`
	}
	first := message(1, "b0", nameOf(0), textOf("b0", time.Second))
	second := message(2, "b1", nameOf(1), textOf("b1", time.Second))
	for _, c := range []struct {
		name string
		// got is what two members receive, in that order.
		got [2][]string
		bad bool
	}{
		{"both get both", [2][]string{{first, second}, {first, second}}, false},
		{"a hole", [2][]string{{second}}, true},
		{"a double", [2][]string{{first, first}}, true},
		{"other bytes for one", [2][]string{{first}, {strings.Replace(first, "x", "y", 1)}}, true},
		{"a foreign author", [2][]string{{message(1, "b0", nameOf(1), textOf("b0", time.Second))}}, true},
		{"a text that nobody sent", [2][]string{{message(1, "b0", nameOf(0), "hello")}}, true},
		{"stored twice", [2][]string{{first, message(2, "b0", nameOf(0), textOf("b0", time.Second))}}, true},
		{"an error frame", [2][]string{{`{"type":"error","code":"unavailable"}`}}, true},
		{"a gap", [2][]string{{`{"type":"gap","room":1,"epoch":1,"from":1,"to":2}`}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newExchange()
			e.outstanding["b0"], e.outstanding["b1"] = 0, 1
			var err error
			for i, frames := range c.got {
				member := &conn{index: i, next: 1}
				for _, payload := range frames {
					if err == nil {
						err = e.text(member, []byte(payload))
					}
				}
			}
			if (err != nil) != c.bad {
				t.Errorf("got error %v, want one: %t", err, c.bad)
			}
		})
	}
}

func TestFramesComeBackAsTheyWent(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 4000} {
		payload := bytes.Repeat([]byte("ab"), size)[:size]
		for name, b := range map[string][]byte{"client": appendClientFrame(nil, opText, payload), "server": appendServerFrame(nil, payload)} {
			for cut := range b {
				if _, ok := parseFrame(bytes.Clone(b[:cut])); ok {
					t.Fatalf("%s frame of %d bytes: got one from its first %d bytes, want none", name, size, cut)
				}
			}
			f, ok := parseFrame(bytes.Clone(b))
			if !ok || f.opcode != opText || f.size != len(b) || !bytes.Equal(f.payload, payload) {
				t.Errorf("%s frame of %d bytes: got %d of %d bytes", name, size, len(f.payload), f.size)
			}
		}
	}
}

func TestHistogramKeepsQuantilesWithinASixteenth(t *testing.T) {
	h := &histogram{}
	for us := range 100_000 {
		h.add(time.Duration(us) * time.Microsecond)
	}
	for _, q := range []float64{0.01, 0.5, 0.99} {
		got, want := h.quantile(q).Seconds(), q*0.1
		if got < want || got > want*17/16 {
			t.Errorf("quantile %v: got %v s, want %v s to a sixteenth more", q, got, want)
		}
	}
}
