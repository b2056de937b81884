package services

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"

	"github.com/breakwater-chat/breakwater/internal/loopback"
	"github.com/breakwater-chat/breakwater/loadtest/stand/service"
)

// label marks containers with HOST/PID of the process that they belong to.
const label = "breakwater-test"

// create makes the container of a service, not started yet.
func create(ctx context.Context, k service.Kind) (*Service, error) {
	provider, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	docker := provider.Client()
	s, err := createWith(ctx, provider, k)
	if err != nil {
		return nil, errors.Join(err, docker.Close())
	}
	s.docker = docker
	return s, nil
}

// connect finds Docker and removes what dead test processes have left there.
func connect(ctx context.Context) (*testcontainers.DockerProvider, error) {
	// Leftovers are found by their label; the library's own reaper would be one
	// image more to fetch. It reads the variable once, before its first use.
	if err := os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true"); err != nil {
		return nil, err
	}
	log.SetDefault(log.NewNoopLogger())
	err := namedDockerAnswers(ctx)
	var provider *testcontainers.DockerProvider
	if err == nil {
		provider, err = testcontainers.NewDockerProvider()
	}
	if err != nil {
		return nil, fmt.Errorf("no Docker answers (%s): start it, as make images does as root on Debian", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if err := removeLeftovers(ctx, provider.Client()); err != nil {
		return nil, errors.Join(err, provider.Close())
	}
	return provider, nil
}

// namedDockerAnswers fails if DOCKER_HOST names a Docker that does not answer:
// the library would go on to another one.
func namedDockerAnswers(ctx context.Context) error {
	if os.Getenv("DOCKER_HOST") == "" {
		return nil
	}
	docker, err := client.New(client.FromEnv)
	if err != nil {
		return err
	}
	_, err = docker.Ping(ctx, client.PingOptions{})
	return errors.Join(err, docker.Close())
}

func createWith(ctx context.Context, provider *testcontainers.DockerProvider, k service.Kind) (*Service, error) {
	if _, err := provider.Client().ImageInspect(ctx, k.Image); errdefs.IsNotFound(err) {
		return nil, fmt.Errorf("no image %s: run make images", k.Image)
	}
	port, err := loopback.FreePort(ctx)
	if err != nil {
		return nil, err
	}
	inside, err := network.ParsePort(fmt.Sprintf("%d/tcp", k.Port))
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	made, err := provider.CreateContainer(ctx, testcontainers.ContainerRequest{
		Image:        k.Image,
		Cmd:          k.Command,
		Env:          k.Settings,
		ExposedPorts: []string{inside.String()},
		Labels:       map[string]string{label: fmt.Sprintf("%s/%d", host, os.Getpid())},
		HostConfigModifier: func(c *container.HostConfig) {
			c.PortBindings = network.PortMap{inside: {{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: strconv.Itoa(port)}}}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("making a container for %s: %w", k.Name, err)
	}
	return &Service{URL: k.URL(fmt.Sprintf("127.0.0.1:%d", port)), kind: k, id: made.GetContainerID()}, nil
}

// removeLeftovers removes the containers of test processes of this machine that
// are no more.
func removeLeftovers(ctx context.Context, docker client.APIClient) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	found, err := docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", label)})
	if err != nil {
		return fmt.Errorf("listing what earlier tests left: %w", err)
	}
	for _, c := range found.Items {
		owner, ok := strings.CutPrefix(c.Labels[label], host+"/")
		pid, err := strconv.Atoi(owner)
		if !ok || err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if err := remove(ctx, docker, c.ID); err != nil {
			return fmt.Errorf("removing what an earlier test left: %w", err)
		}
	}
	return nil
}

// remove is content when another process has been faster.
func remove(ctx context.Context, docker client.APIClient, id string) error {
	_, err := docker.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return err
}

// lastWords are the last lines that the service printed.
func (s *Service) lastWords(ctx context.Context) string {
	logs, err := s.docker.ContainerLogs(ctx, s.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: "5"})
	if err != nil {
		return ""
	}
	defer logs.Close()
	var text bytes.Buffer
	_, _ = stdcopy.StdCopy(&text, &text, logs)
	return strings.TrimSpace(text.String())
}
