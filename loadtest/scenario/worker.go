package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/breakwater-chat/breakwater/loadtest/report"
)

// WorkerConfig is what a worker is told at its start.
type WorkerConfig struct {
	// Listen is HOST:PORT; port 0 picks a free one.
	Listen string
	// Secret is what runs must know; without one only those of this host are heard.
	Secret []byte
	// Descriptors is how many files this process may have open.
	Descriptors int
	// Listening is told the address, once.
	Listening func(address string)
	// Tell tells what goes on.
	Tell func(string)
}

// ErrNoSecret is a worker that would do anybody's bidding.
var ErrNoSecret = errors.New("a worker that listens to other hosts needs a secret: it loads whatever it is told to")

// Work does parts of runs, one at a time, until ctx ends. The error says why it could
// not begin.
func Work(ctx context.Context, cfg WorkerConfig) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return err
	}
	if address, ok := listener.Addr().(*net.TCPAddr); len(cfg.Secret) == 0 && (!ok || !address.IP.IsLoopback()) {
		return errors.Join(ErrNoSecret, listener.Close())
	}
	w := &worker{cfg: cfg, turn: make(chan struct{}, 1)}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() }) // which ends Accept
	defer stop()
	defer w.running.Wait()
	cfg.Listening(listener.Addr().String())
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return errors.Join(fmt.Errorf("waiting for runs: %w", err), listener.Close())
		}
		w.running.Go(func() { w.serve(ctx, conn) })
	}
}

type worker struct {
	cfg     WorkerConfig
	running sync.WaitGroup
	// turn is held by the run that goes on.
	turn chan struct{}
}

// serve does one part.
func (w *worker) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	l := newLink(conn)
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	default:
		_ = l.send(note{Error: "it is busy with another run"}) // who is gone need not know
		return
	}
	if err := w.work(ctx, l); err != nil {
		w.cfg.Tell(fmt.Sprintf("run of %s: %v", conn.RemoteAddr(), err))
	}
}

func (w *worker) work(ctx context.Context, l *link) error {
	if err := l.greetCoordinator(w.cfg.Secret); err != nil {
		_ = l.send(note{Error: err.Error()}) // likewise
		return err
	}
	first, err := l.receive(greeting)
	if err != nil {
		return fmt.Errorf("receiving a part: %w", err)
	}
	if first.Part == nil || len(first.Part.Members) == 0 {
		return errors.New("receiving a part: there is none")
	}
	part := *first.Part
	w.cfg.Tell(fmt.Sprintf("part %d of %d of run %s: %d members, %s", part.Index+1, part.Of, part.Run, len(part.Members), part.Targets))
	acting, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &remoteMeeting{link: l, answers: map[string]chan heads{}}
	w.running.Go(func() {
		defer cancel() // the coordinator is gone, or wants it so
		m.listen()
	})
	outcome, err := act(acting, part, w.cfg.Descriptors, m, func(t *report.Tally) error {
		defer t.Reset()
		return l.send(note{Tally: t})
	})
	last := note{Outcome: &outcome}
	if err != nil {
		last.Error = err.Error()
	}
	w.cfg.Tell(fmt.Sprintf("part %d of %d of run %s has ended", part.Index+1, part.Of, part.Run))
	return errors.Join(err, l.send(last))
}

// remoteMeeting is the meeting of parts by way of the coordinator.
type remoteMeeting struct {
	link *link

	mu      sync.Mutex
	answers map[string]chan heads
}

func (m *remoteMeeting) meet(point string, known heads) <-chan heads {
	answer := m.answer(point)
	// If it cannot be sent the coordinator is gone, which ends the part.
	_ = m.link.send(note{Meet: point, Heads: known})
	return answer
}

// answer is where the answer of a point comes; one place, so that nobody has to wait.
func (m *remoteMeeting) answer(point string) chan heads {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.answers[point] == nil {
		m.answers[point] = make(chan heads, 1)
	}
	return m.answers[point]
}

// listen takes what the coordinator says until it is gone or says stop.
func (m *remoteMeeting) listen() {
	for {
		n, err := m.link.receive(0)
		if err != nil || n.Stop {
			return
		}
		if n.Met != "" {
			select {
			case m.answer(n.Met) <- n.Heads:
			default: // said twice
			}
		}
	}
}
