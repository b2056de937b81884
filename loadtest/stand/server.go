package stand

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand/clock"
)

// Server is one life of the binary.
type Server struct {
	// URL is what it printed: http://HOST:PORT or https://HOST:PORT.
	URL string

	command *exec.Cmd
	log     syncBuffer
	ended   chan struct{} // closed when the process has ended
	result  error         // read after ended only
	clock   *clock.Clock  // nil: the machine's
	// terminated is set when the process has been asked to end: a second signal
	// would cut its orderly end short.
	terminated atomic.Bool
	stop       sync.Once
	verdict    error
}

// Launch starts an embedded server with its data in that folder, on a free port
// of 127.0.0.1 unless the flags say otherwise, and waits until it prints that it
// listens. The caller stops it.
func (b Binary) Launch(data string, flags ...string) (*Server, error) {
	return b.serve(append([]string{"--listen", "127.0.0.1:0", "--data", data}, flags...))
}

func (b Binary) serve(flags []string) (*Server, error) {
	s := &Server{ended: make(chan struct{})}
	s.command = b.Command(append([]string{"serve"}, flags...)...)
	s.command.Env = append(s.command.Env, "GORACE=halt_on_error=0 exitcode=66 atexit_sleep_ms=0")
	s.command.Stderr = &s.log
	stdout, err := s.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	start := s.command.Start
	if b.clocked {
		start = s.startWithClock
	}
	first := make(chan string, 1)
	// One that is frozen heeds no other signal.
	if err := begin(s.command, syscall.SIGKILL, start, func() { s.follow(stdout, first) }); err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	select {
	case line := <-first:
		url, ok := strings.CutPrefix(line, "listening on ")
		if !ok {
			return nil, errors.Join(fmt.Errorf("got the line %q on standard output, want listening on URL; log:\n%s", line, s.Log()), s.kill())
		}
		s.URL = url
		return s, nil
	case <-time.After(Patience):
		return nil, errors.Join(fmt.Errorf("the server did not become ready; log:\n%s", s.Log()), s.kill())
	}
}

func (s *Server) startWithClock() (err error) {
	s.clock, err = clock.Start(s.command)
	return err
}

// follow gives the first line of standard output, or "" if there is none, and
// waits for the end of the process.
func (s *Server) follow(stdout io.Reader, first chan<- string) {
	defer close(s.ended)
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	first <- lines.Text()
	var more []string
	for lines.Scan() {
		more = append(more, lines.Text())
	}
	s.result = s.command.Wait()
	if s.clock != nil {
		_ = s.clock.Close() // there is nothing left to move
	}
	if len(more) > 0 {
		s.result = errors.Join(s.result, fmt.Errorf("got more than one line on standard output: %q", more))
	}
}

// Address is the URL without its scheme.
func (s *Server) Address() string {
	_, address, _ := strings.Cut(s.URL, "://")
	return address
}

// Target is this server alone.
func (s *Server) Target() Target { return Target{URLs: []string{s.URL}} }

// PID is the id of the process.
func (s *Server) PID() int { return s.command.Process.Pid }

// Log is what stands on standard error so far.
func (s *Server) Log() string { return s.log.String() }

// Ended is closed when the process has ended.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// Terminate asks for an orderly end (SIGTERM) without waiting for it.
func (s *Server) Terminate() error {
	s.terminated.Store(true)
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("asking the server to stop: %w", err)
	}
	return nil
}

// Stop asks for an orderly end, unless it has been asked for or come, and tells what was
// not in order in this life: an exit status other than 0, a data race, a panic.
func (s *Server) Stop() error {
	s.stop.Do(func() { s.verdict = s.end() })
	return s.verdict
}

func (s *Server) end() error {
	select {
	case <-s.ended:
	default:
		if s.terminated.Load() {
			break
		}
		if err := s.Terminate(); err != nil {
			return err
		}
	}
	select {
	case <-s.ended:
	case <-time.After(Patience):
		return errors.Join(fmt.Errorf("the server did not stop within %v; log:\n%s", Patience, s.Log()), s.kill())
	}
	var errs []error
	if s.result != nil {
		errs = append(errs, fmt.Errorf("the server did not stop in order: %w", s.result))
	}
	for _, sign := range []string{"WARNING: DATA RACE", "panic:", `"level":"ERROR"`} {
		if at := strings.Index(s.Log(), sign); at >= 0 {
			errs = append(errs, fmt.Errorf("the server's log has %q: %.4000s", sign, s.Log()[at:]))
		}
	}
	return errors.Join(errs...)
}

// Pause freezes the process where it is (SIGSTOP): its connections stay open and it
// does nothing. Whoever pauses it resumes it.
func (s *Server) Pause() error { return s.signal("pausing", syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (s *Server) Resume() error { return s.signal("resuming", syscall.SIGCONT) }

// SetClock sets how far the server's wall clock is ahead of the machine's, in whole
// seconds, or behind. Only a server of a binary WithClock has one that can be set.
func (s *Server) SetClock(ahead time.Duration) error { return s.clock.Set(ahead) }

func (s *Server) signal(doing string, sig syscall.Signal) error {
	if err := s.command.Process.Signal(sig); err != nil {
		return fmt.Errorf("%s the server: %w", doing, err)
	}
	return nil
}

// Kill ends the process by SIGKILL and waits for it; Stop has nothing to say then.
func (s *Server) Kill() error {
	s.stop.Do(func() {})
	return s.kill()
}

func (s *Server) kill() error {
	err := s.command.Process.Kill()
	<-s.ended
	return err
}

// syncBuffer is a log that is read while it grows.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
