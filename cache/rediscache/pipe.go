package rediscache

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
)

// Bounds of the pipe.
const (
	pipeConnections = 2
	batchCommands   = 512
	batchBytes      = 1 << 20
	queueBytes      = 64 << 20
)

var (
	errFull   = errors.New("too many calls of the cache wait")
	errClosed = errors.New("the cache is closed")
)

// pipe sends what many callers ask at once as few batches over few connections: a
// storm of callers waits for a handful of round trips, not in line for connections.
// When a batch has failed, those after it fail at once for a while; then one is
// tried, while the other connections go on refusing.
type pipe struct {
	client  *redis.Client
	timeout time.Duration // of a batch
	breaker *gobreaker.TwoStepCircuitBreaker[any]
	workers sync.WaitGroup

	mu     sync.Mutex // guards the rest
	filled *sync.Cond // there is something in queue, or closed was set
	queue  []*request
	bytes  int // in queue
	closed bool
}

// request is a command that waits for its answer.
type request struct {
	ctx  context.Context // over when nobody waits any more
	cmd  redis.Cmder
	size int
	// done is closed when cmd has its answer, or err says why it was not sent.
	done chan struct{}
	err  error
}

func newPipe(client *redis.Client, cfg Config) *pipe {
	p := &pipe{client: client, timeout: cfg.Timeout, breaker: newBreaker(cfg.Rest, cfg.Log)}
	p.filled = sync.NewCond(&p.mu)
	for range pipeConnections {
		p.workers.Go(p.run)
	}
	return p
}

func newBreaker(rest time.Duration, log *slog.Logger) *gobreaker.TwoStepCircuitBreaker[any] {
	return gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Timeout:     rest,
		ReadyToTrip: func(gobreaker.Counts) bool { return true },
		IsSuccessful: func(err error) bool {
			var reply redis.Error // that it has nothing, or says no: Redis is there
			return err == nil || errors.As(err, &reply)
		},
		OnStateChange: func(_ string, from, to gobreaker.State) {
			switch {
			case from == gobreaker.StateClosed:
				log.Warn("the cache in Redis does not answer: values are loaded without it")
			case to == gobreaker.StateClosed:
				log.Info("the cache in Redis answers again")
			}
		},
	})
}

// ask sends a command of about size bytes and waits for its answer. After an error
// of the context the command still belongs to the pipe.
func (p *pipe) ask(ctx context.Context, cmd redis.Cmder, size int) error {
	r := &request{ctx: ctx, cmd: cmd, size: size, done: make(chan struct{})}
	if err := p.add(r); err != nil {
		return err
	}
	select {
	case <-r.done:
		if r.err != nil {
			return r.err
		}
		return cmd.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *pipe) add(r *request) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return errClosed
	case p.bytes+r.size > queueBytes:
		return errFull
	}
	p.queue, p.bytes = append(p.queue, r), p.bytes+r.size
	p.filled.Signal()
	return nil
}

// run sends batches until the pipe is closed and empty.
func (p *pipe) run() {
	for batch := p.take(); len(batch) > 0; batch = p.take() {
		err := p.send(batch)
		for _, r := range batch {
			r.err = err
			close(r.done)
		}
	}
}

// take waits for requests and takes some that somebody waits for.
func (p *pipe) take() (batch []*request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for size := 0; len(batch) < batchCommands && size < batchBytes; {
		for len(p.queue) == 0 && len(batch) == 0 && !p.closed {
			p.queue = nil
			p.filled.Wait()
		}
		if len(p.queue) == 0 {
			return batch
		}
		r := p.queue[0]
		p.queue, p.bytes = p.queue[1:], p.bytes-r.size
		if r.ctx.Err() == nil {
			batch, size = append(batch, r), size+r.size
		}
	}
	p.filled.Signal()
	return batch
}

// send sends a batch, and gives an error if it refuses to.
func (p *pipe) send(batch []*request) error {
	report, err := p.breaker.Allow()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
	defer cancel()
	// Each command has the error that concerns it.
	_, _ = p.client.Pipelined(ctx, func(line redis.Pipeliner) error {
		for _, r := range batch {
			_ = line.Process(ctx, r.cmd) // only queues it
		}
		return nil
	})
	report(batch[len(batch)-1].cmd.Err()) // whatever breaks a batch breaks its last
	return nil
}

// close lets nobody wait any more.
func (p *pipe) close() {
	p.mu.Lock()
	p.closed = true
	p.filled.Broadcast()
	p.mu.Unlock()
	p.workers.Wait()
}
