package stand

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/stand/service"
)

// serviceStart bounds the start of a service; a loaded machine is slow.
const serviceStart = 2 * time.Minute

// Service is a running Redis, MySQL or Elasticsearch.
type Service struct {
	// URL is the address for clients, the same for the service's whole life.
	URL string

	kind      service.Kind
	container string // its id; empty where the address was given
}

// Base is what a cluster stands on: one service of each kind.
type Base struct{ Redis, MySQL, Elasticsearch *Service }

// StartBase starts the services whose addresses are empty, each in a container of its
// own, and waits until all answer. The caller closes the base.
func StartBase(ctx context.Context, given Services) (*Base, error) {
	if given.Redis == "" || given.MySQL == "" || given.Elasticsearch == "" {
		if err := RemoveLeftovers(ctx); err != nil {
			return nil, err
		}
	}
	b := &Base{
		Redis:         &Service{kind: service.Redis(), URL: given.Redis},
		MySQL:         &Service{kind: service.MySQL(), URL: given.MySQL},
		Elasticsearch: &Service{kind: service.Elasticsearch(), URL: given.Elasticsearch},
	}
	var errs [3]error
	var starting sync.WaitGroup
	for i, s := range b.all() {
		starting.Go(func() { errs[i] = s.begin(ctx) })
	}
	starting.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *Base) all() []*Service { return []*Service{b.Redis, b.MySQL, b.Elasticsearch} }

// Service is the one that servers know as a dependency.
func (b *Base) Service(d Dependency) *Service { return b.all()[d] }

// Close removes the containers and their data. Services whose addresses were given stay.
func (b *Base) Close() error {
	var errs []error
	for _, s := range b.all() {
		errs = append(errs, s.remove())
	}
	return errors.Join(errs...)
}

func (s *Service) begin(ctx context.Context) (err error) {
	if s.URL != "" {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return s.kind.Await(ctx, s.URL, func(context.Context) error { return nil })
	}
	var address string
	if s.container, address, err = createContainer(ctx, s.kind); err != nil {
		return fmt.Errorf("making a container for %s: %w", s.kind.Name, err)
	}
	s.URL = s.kind.URL(address)
	return s.Start(ctx)
}

// Ours tells whether the service may be killed: whether this process started it.
func (s *Service) Ours() bool { return s.container != "" }

// Start starts a service that was killed, with its data and at the address that it
// had, and waits until it answers.
func (s *Service) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, serviceStart)
	defer cancel()
	if _, err := docker(ctx, "start", s.container); err != nil {
		return fmt.Errorf("starting %s: %w", s.kind.Name, err)
	}
	return s.kind.Await(ctx, s.URL, s.gone)
}

// Kill ends the service's process by SIGKILL and waits for its end.
func (s *Service) Kill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	if _, err := docker(ctx, "kill", s.container); err != nil {
		return fmt.Errorf("killing %s: %w", s.kind.Name, err)
	}
	_, err := docker(ctx, "wait", s.container)
	return err
}

// gone tells whether the container has ended, with what it said last.
func (s *Service) gone(ctx context.Context) error {
	running, err := docker(ctx, "inspect", "--format", "{{.State.Running}}", s.container)
	if err != nil || running == "true" {
		return nil //nolint:nilerr // not known to be gone; the wait has an end of its own
	}
	words, _ := docker(ctx, "logs", "--tail", "5", s.container)
	return fmt.Errorf("its container has ended: %s", words)
}

func (s *Service) remove() error {
	if s.container == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return removeContainer(ctx, s.container)
}
