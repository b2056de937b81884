package server

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
)

// begun is the server's end of a connection that has begun a request.
type begun struct {
	net.Conn
	hurried chan struct{}
}

func (b *begun) SetReadDeadline(t time.Time) error {
	if t.Before(time.Now()) {
		close(b.hurried)
	}
	return nil
}

func (b *begun) isHurried() bool {
	select {
	case <-b.hurried:
		return true
	default:
		return false
	}
}

func TestReadersHurryTheOldestOverTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReaders(2, 1, newMetrics(prometheus.NewRegistry()))
		begin := func() *begun {
			b := &begun{hurried: make(chan struct{})}
			r.follow(b, fasthttp.StateActive)
			return b
		}
		hurried := func(what string, want bool, b *begun) {
			t.Helper()
			if got := b.isHurried(); got != want {
				t.Errorf("%s: got hurried %t, want %t", what, got, want)
			}
		}
		whole, first, second := begin(), begin(), begin()
		r.reading.done(whole)
		third := begin()
		hurried("over the bound and young", false, first)
		<-time.After(patientFor)
		fourth := begin()
		hurried("whole before", false, whole)
		hurried("the oldest over the bound", true, first)
		hurried("the next, over the bound as well", true, second)
		hurried("within the bound", false, third)
		r.follow(second, fasthttp.StateClosed)
		r.follow(third, fasthttp.StateHijacked)
		fifth := begin()
		hurried("within the bound later", false, fourth)
		r.reading.stop()
		hurried("when the server stops", true, fourth)
		hurried("when the server stops", true, fifth)
		r.reading.done(fourth)
		r.reading.done(fifth)
		if len(r.reading.at) != 0 || r.reading.order.Len() != 0 {
			t.Errorf("got %d and %d left behind, want none", len(r.reading.at), r.reading.order.Len())
		}
	})
}

// TestIdleConnectionsMakeRoom: over the bound, who has rested between requests
// for longest goes; who asks for something does not.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReaders(10, 2, newMetrics(prometheus.NewRegistry()))
		var all []*begun
		for range 4 {
			b := &begun{hurried: make(chan struct{})}
			r.follow(b, fasthttp.StateActive)
			r.follow(b, fasthttp.StateIdle)
			all = append(all, b)
		}
		r.follow(all[0], fasthttp.StateActive)
		<-time.After(patientFor)
		r.follow(all[3], fasthttp.StateActive)
		r.follow(all[3], fasthttp.StateIdle)
		for i, want := range []bool{false, true, false, false} {
			if got := all[i].isHurried(); got != want {
				t.Errorf("connection %d: got hurried %t, want %t", i, got, want)
			}
		}
	})
}

func TestHurryEndsAReadUnderWay(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	failed := make(chan error, 1)
	go func() {
		_, err := ours.Read(make([]byte, 1))
		failed <- err
	}()
	hurry(ours)
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want a read that is too late", err)
	}
}
