package server

import (
	"context"
	"net"
	"testing"
	"time"
)

// TestAnEarlyShutdown stops a server before it has begun and while it begins: a signal
// may come in the first moment of a process.
func TestAnEarlyShutdown(t *testing.T) {
	for name, begun := range map[string]bool{"before": false, "while it begins": true} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				s := newStand(t, nil)
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				served := make(chan error, 1)
				serve := func() { served <- s.Serve(ln) }
				if begun {
					go serve()
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				if err := s.Shutdown(ctx); err != nil {
					t.Errorf("shutting down: %v", err)
				}
				if !begun {
					go serve()
				}
				select {
				case err := <-served:
					if err != nil {
						t.Errorf("serving: %v", err)
					}
				case <-time.After(patience):
					_ = ln.Close()
					t.Fatal("it serves all the same")
				}
				if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
					_ = c.Close()
					t.Error("the listener is still open")
				}
			}
		})
	}
}
