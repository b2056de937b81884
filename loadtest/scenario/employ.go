package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// stopFor is how long a worker that was told to stop may take.
const stopFor = 5 * time.Second

// employ lets a worker do a part. It returns when the worker has said its last, or is gone.
func (r *run) employ(ctx context.Context, address string, part Part, m meeting) (Outcome, error) {
	o, err := r.employed(ctx, address, part, m)
	if err != nil {
		err = fmt.Errorf("worker %s (part %d of %d): %w", address, part.Index+1, part.Of, err)
	}
	return o, err
}

func (r *run) employed(ctx context.Context, address string, part Part, m meeting) (Outcome, error) {
	conn, err := (&net.Dialer{Timeout: greeting}).DialContext(ctx, "tcp", address)
	if err != nil {
		return Outcome{}, err
	}
	defer conn.Close()
	l := newLink(conn)
	if err := l.greetWorker(r.env.Secret); err != nil {
		return Outcome{}, err
	}
	if err := l.send(note{Part: &part}); err != nil {
		return Outcome{}, err
	}
	// If the run ends here the worker is told; if it does not answer, it is left.
	waiting, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	stopped := make(chan struct{})
	running.Go(func() {
		select {
		case <-ctx.Done():
			_ = l.send(note{Stop: true}) // else it is gone already
			timer := time.NewTimer(stopFor)
			defer timer.Stop()
			select {
			case <-timer.C:
				_ = conn.Close()
			case <-stopped:
			}
		case <-stopped:
		}
	})
	defer running.Wait()
	defer close(stopped)
	defer cancel()
	return r.listen(waiting, l, address, m, &running)
}

// listen takes what the worker says until its last note.
func (r *run) listen(ctx context.Context, l *link, address string, m meeting, running *sync.WaitGroup) (Outcome, error) {
	for {
		n, err := l.receive(heartbeat)
		if err != nil {
			return Outcome{}, err
		}
		switch {
		case n.Outcome != nil:
			if n.Error != "" {
				return *n.Outcome, errors.New(n.Error)
			}
			return *n.Outcome, nil
		case n.Error != "":
			return Outcome{}, errors.New(n.Error)
		case n.Tally != nil:
			n.Tally.Source = address
			if err := r.merge(n.Tally); err != nil {
				return Outcome{}, err
			}
		case n.Meet != "":
			answer := m.meet(n.Meet, n.Heads)
			running.Go(func() {
				select {
				case known := <-answer:
					_ = l.send(note{Met: n.Meet, Heads: known}) // if it is gone, receiving says so
				case <-ctx.Done():
				}
			})
		}
	}
}
