package stand

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand/service"
)

// echoing is a service that says what it is told.
func echoing(t *testing.T, k service.Kind) *Service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return &Service{URL: k.URL(l.Addr().String()), kind: k}
}

// A wire that swallows stays open and answers nothing, of one server only if so told;
// when it is healed new connections are answered.
func TestWiresFailOneByOne(t *testing.T) {
	n, err := NewNetwork(&Base{
		Redis: echoing(t, service.Redis()), MySQL: echoing(t, service.MySQL()), Elasticsearch: echoing(t, service.Elasticsearch()),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	var addresses []string
	for i := range 2 {
		services, err := n.Wire(i)
		if err != nil {
			t.Fatal(err)
		}
		address, _, err := service.Redis().Via(services.Redis, "")
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, address)
	}
	if again, err := n.Wire(0); err != nil || again.Redis != "redis://"+addresses[0]+"/0" {
		t.Errorf("the wires of the same server: got %v and %v, want those that there are", again, err)
	}
	answered := func(i int) error {
		t.Helper()
		c, err := net.Dial("tcp", addresses[i])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(300 * time.Millisecond))
		if _, err := c.Write([]byte("hello")); err != nil {
			return err
		}
		_, err = io.ReadFull(c, make([]byte, 5))
		return err
	}
	want := func(when string, i int, silent bool) {
		t.Helper()
		if err := answered(i); errors.Is(err, os.ErrDeadlineExceeded) != silent || !silent && err != nil {
			t.Errorf("%s, server %d: got %v, want it silent: %t", when, i, err, silent)
		}
	}
	want("before", 0, false)
	if err := n.Swallow(Redis, 1); err != nil {
		t.Fatal(err)
	}
	want("while one wire swallows", 0, false)
	want("while one wire swallows", 1, true)
	n.Heal(Redis)
	want("afterwards", 1, false)
}
