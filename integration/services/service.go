package services

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/moby/moby/client"

	"github.com/breakwater-chat/breakwater/loadtest/stand/service"
)

// Service is one running Redis, MySQL or Elasticsearch.
type Service struct {
	// URL is the address for clients, the same for the service's whole life.
	URL string

	kind     service.Kind
	variable string // of the environment, that may give an address
	// What is nil and empty where the address was given.
	docker client.APIClient
	id     string
}

func start(ctx context.Context, k service.Kind, variable string) (*Service, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if given := os.Getenv(variable); given != "" {
		s := &Service{URL: given, kind: k, variable: variable}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		// The address is not shown: it may hold a password.
		if err := k.Await(ctx, given, func(context.Context) error { return nil }); err != nil {
			return nil, fmt.Errorf("the address in %s: %w", variable, err)
		}
		return s, nil
	}
	s, err := create(ctx, k)
	if err != nil {
		return nil, fmt.Errorf("%w (or set %s to the address of a running %s)", err, variable, k.Name)
	}
	if err := s.Start(ctx); err != nil {
		_ = s.Close() // the reason is told already
		return nil, err
	}
	return s, nil
}

// Start starts a service that was killed, with its data and on the port that it
// had, and waits until it answers.
func (s *Service) Start(ctx context.Context) error {
	return s.do("start", func() error {
		if _, err := s.docker.ContainerStart(ctx, s.id, client.ContainerStartOptions{}); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return s.kind.Await(ctx, s.URL, s.gone)
	})
}

// Kill ends the service's process by SIGKILL and waits for its end.
func (s *Service) Kill(ctx context.Context) error {
	return s.do("kill", func() error {
		_, err := s.docker.ContainerKill(ctx, s.id, client.ContainerKillOptions{Signal: "KILL"})
		if err != nil {
			return err
		}
		ended := s.docker.ContainerWait(ctx, s.id, client.ContainerWaitOptions{})
		select {
		case err := <-ended.Error:
			return err
		case <-ended.Result:
			return nil
		}
	})
}

// Pause freezes the service: connections stay open, nothing is answered.
func (s *Service) Pause(ctx context.Context) error {
	return s.do("pause", func() error {
		_, err := s.docker.ContainerPause(ctx, s.id, client.ContainerPauseOptions{})
		return err
	})
}

// Unpause lets a paused service go on and waits until it answers.
func (s *Service) Unpause(ctx context.Context) error {
	return s.do("unpause", func() error {
		if _, err := s.docker.ContainerUnpause(ctx, s.id, client.ContainerUnpauseOptions{}); err != nil {
			return err
		}
		return s.kind.Await(ctx, s.URL, s.gone)
	})
}

// Close removes the container and its data. A service whose address was given stays.
func (s *Service) Close() error {
	if s.docker == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	defer s.docker.Close()
	return s.do("remove", func() error { return remove(ctx, s.docker, s.id) })
}

// do names what failed, and refuses where there is no container.
func (s *Service) do(what string, how func() error) error {
	if s.docker == nil {
		return fmt.Errorf("cannot %s the %s of %s: only a service that the tests started themselves is theirs to hurt", what, s.kind.Name, s.variable)
	}
	if err := how(); err != nil {
		return fmt.Errorf("%s %s: %w", what, s.kind.Name, err)
	}
	return nil
}

// gone tells whether the container has ended, with what it said last.
func (s *Service) gone(ctx context.Context) error {
	found, err := s.docker.ContainerInspect(ctx, s.id, client.ContainerInspectOptions{})
	if err != nil {
		return nil //nolint:nilerr // not known to be gone; the wait has an end of its own
	}
	if found.Container.State.Running {
		return nil
	}
	return fmt.Errorf("its container ended with status %d: %s", found.Container.State.ExitCode, s.lastWords(ctx))
}
