package stand

import (
	"bufio"
	"net"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand/service"
)

// What is said over a mute wire arrives, and the answer does not.
func TestAMuteWireCarriesQuestions(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for lines := bufio.NewScanner(c); lines.Scan(); {
			heard <- lines.Text()
			if _, err := c.Write([]byte("answer\n")); err != nil {
				return
			}
		}
	}()
	defer func() { l.Close(); <-done }()
	n, err := NewNetwork(&Base{
		Redis: &Service{URL: "redis://" + l.Addr().String(), kind: service.Redis()}, MySQL: echoing(t, service.MySQL()), Elasticsearch: echoing(t, service.Elasticsearch()),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	wires, err := n.Wire(0)
	if err != nil {
		t.Fatal(err)
	}
	address, _, err := service.Redis().Via(wires.Redis, "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func(question string) error {
		t.Helper()
		if _, err := c.Write([]byte(question + "\n")); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-heard:
			if got != question {
				t.Errorf("got %q, want %q", got, question)
			}
		case <-time.After(Patience):
			t.Fatalf("%q did not arrive", question)
		}
		_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		_, err := c.Read(make([]byte, 100))
		return err
	}
	if err := ask("before"); err != nil {
		t.Errorf("before: got %v, want an answer", err)
	}
	if err := n.Mute(Redis); err != nil {
		t.Fatal(err)
	}
	if err := ask("meanwhile"); err == nil {
		t.Error("meanwhile: got an answer, want none")
	}
}
