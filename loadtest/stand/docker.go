package stand

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/breakwater-chat/breakwater/internal/loopback"
	"github.com/breakwater-chat/breakwater/loadtest/stand/service"
)

// label marks containers with HOST/PID of the process that they belong to.
const label = "breakwater-stand"

// docker runs Docker's command line; the error says what it said.
func docker(ctx context.Context, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "docker", args...)
	detach(c)
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, bytes.TrimSpace(said.Bytes()))
	}
	return strings.TrimSpace(out.String()), nil
}

// createContainer makes the container of a service, not started yet, on a port of
// 127.0.0.1 that stays the same for its life.
func createContainer(ctx context.Context, k service.Kind) (id, address string, err error) {
	if _, err := docker(ctx, "image", "inspect", "--format", "{{.Id}}", k.Image); err != nil {
		return "", "", fmt.Errorf("no image %s: make images pulls or builds it (%w)", k.Image, err)
	}
	if address, err = loopback.FreeAddress(ctx); err != nil {
		return "", "", err
	}
	host, err := os.Hostname()
	if err != nil {
		return "", "", err
	}
	args := []string{
		"create", "--label", fmt.Sprintf("%s=%s/%d", label, host, os.Getpid()),
		"--publish", fmt.Sprintf("%s:%d", address, k.Port),
	}
	for name, value := range k.Settings {
		args = append(args, "--env", name+"="+value)
	}
	id, err = docker(ctx, append(append(args, k.Image), k.Command...)...)
	return id, address, err
}

// RemoveLeftovers removes the containers that processes of this machine left which
// are no more.
func RemoveLeftovers(ctx context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	found, err := docker(ctx, "ps", "--all", "--filter", "label="+label, "--format", `{{.ID}} {{.Label "`+label+`"}}`)
	if err != nil {
		return fmt.Errorf("listing what earlier runs left: %w", err)
	}
	var errs []error
	for line := range strings.Lines(found) {
		id, owner, _ := strings.Cut(strings.TrimSpace(line), " ")
		pid, ours := strings.CutPrefix(owner, host+"/")
		n, err := strconv.Atoi(pid)
		if ours && err == nil && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			errs = append(errs, removeContainer(ctx, id))
		}
	}
	return errors.Join(errs...)
}

// removeContainer is content when another process has been faster.
func removeContainer(ctx context.Context, id string) error {
	_, err := docker(ctx, "rm", "--force", "--volumes", id)
	if err != nil && (strings.Contains(err.Error(), "No such container") || strings.Contains(err.Error(), "already in progress")) {
		return nil
	}
	return err
}
