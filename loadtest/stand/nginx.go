package stand

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/breakwater-chat/breakwater/internal/loopback"
)

// Nginx is a running nginx in front of servers.
type Nginx struct {
	// URL is its base, http://HOST:PORT.
	URL string

	source  fs.FS
	folder  string
	address string
	command *exec.Cmd
	said    syncBuffer    // what it says before it has read where its log is
	ended   chan struct{} // closed when the process has ended
	result  error         // read after ended only
	mayFail atomic.Bool
}

// StartNginx runs nginx with the configuration in the folder source, in front of
// the upstreams, each HOST:PORT. What it writes is kept in the other folder, the
// caller's. It is ready when this returns.
func StartNginx(source fs.FS, folder string, upstreams ...string) (*Nginx, error) {
	path, err := findNginx()
	if err != nil {
		return nil, err
	}
	address, err := loopback.FreeAddress(context.Background())
	if err != nil {
		return nil, err
	}
	n := &Nginx{URL: "http://" + address, source: source, folder: folder, address: address, ended: make(chan struct{})}
	if err := n.configure(upstreams); err != nil {
		return nil, err
	}
	n.command = exec.Command(path, "-p", folder, "-c", filepath.Join(folder, "nginx.conf"), "-e", n.logFile(), "-g", "daemon off;")
	n.command.Stdout, n.command.Stderr = &n.said, &n.said
	// By SIGTERM it ends its workers, too; by SIGKILL they would stay.
	err = begin(n.command, syscall.SIGTERM, n.command.Start, func() {
		n.result = n.command.Wait()
		close(n.ended)
	})
	if err != nil {
		return nil, fmt.Errorf("starting nginx: %w", err)
	}
	// It listens before it heeds signals, of which the first would end it, and
	// starts workers after that.
	if err := n.await("nginx to listen", func() bool {
		return strings.Contains(n.Log(), workerStarts) && n.listens()
	}); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

// findNginx looks where packages put it, too, which is not in everybody's PATH.
func findNginx() (string, error) {
	for _, name := range []string{"nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no nginx in PATH or /usr/sbin: make tools installs it as root on Debian")
}

func (n *Nginx) logFile() string { return filepath.Join(n.folder, "error.log") }

// Log is what stands in its error log so far.
func (n *Nginx) Log() string {
	log, err := os.ReadFile(n.logFile())
	if err != nil {
		return err.Error()
	}
	return n.said.String() + string(log)
}

func (n *Nginx) listens() bool {
	c, err := net.Dial("tcp", n.address)
	return err == nil && c.Close() == nil
}

// Reload gives nginx other upstreams. New connections go to them when it
// returns; those that are open stay where they are.
func (n *Nginx) Reload(upstreams ...string) error {
	if err := n.configure(upstreams); err != nil {
		return err
	}
	reloads := strings.Count(n.Log(), reloadStarts)
	if err := n.command.Process.Signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("reloading nginx: %w", err)
	}
	// Every worker from before the reload says once that it takes no new connections.
	return n.await("nginx to start new workers", func() bool {
		log := n.Log()
		workers := strings.Count(log[:max(0, strings.LastIndex(log, reloadStarts))], workerStarts)
		return strings.Count(log, reloadStarts) > reloads && strings.Count(log, "gracefully shutting down") >= workers
	})
}

// What nginx says in its log of a worker that it starts, with the process's
// number after it, and of a reload before it begins.
const (
	workerStarts = "start worker process "
	reloadStarts = "(SIGHUP) received"
)

// await waits until nginx has done something.
func (n *Nginx) await(what string, done func() bool) error {
	deadline := time.After(Patience)
	for !done() {
		select {
		case <-n.ended:
			return fmt.Errorf("waiting for %s: it ended; log:\n%s", what, n.Log())
		case <-deadline:
			return fmt.Errorf("waiting for %s took more than %v; log:\n%s", what, Patience, n.Log())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// ExpectFailures says that servers will fail on purpose: from now on errors
// with upstreams in the log are in order.
func (n *Nginx) ExpectFailures() { n.mayFail.Store(true) }

// Stop ends nginx and tells what was not in order: an exit status other than 0
// or an error in its log.
func (n *Nginx) Stop() error {
	select {
	case <-n.ended:
		return fmt.Errorf("nginx ended before it was stopped: %w; log:\n%s", n.result, n.Log())
	default:
	}
	if err := n.command.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping nginx: %w", err)
	}
	select {
	case <-n.ended:
	case <-time.After(Patience):
		err := n.command.Process.Kill()
		<-n.ended
		return errors.Join(fmt.Errorf("nginx did not stop within %v; log:\n%s", Patience, n.Log()), err)
	}
	var errs []error
	if n.result != nil {
		errs = append(errs, fmt.Errorf("nginx did not stop in order: %w", n.result))
	}
	if lines := n.complaints(); len(lines) > 0 {
		errs = append(errs, fmt.Errorf("nginx's log has %d errors: %.4000s", len(lines), strings.Join(lines, "\n")))
	}
	return errors.Join(errs...)
}

// complaints are the lines of the log that a healthy life has not.
func (n *Nginx) complaints() (lines []string) {
	for line := range strings.Lines(n.Log()) {
		expected := openAtEnd.MatchString(line) ||
			n.mayFail.Load() && strings.Contains(line, "[error]") && strings.Contains(line, "upstream")
		if complaint.MatchString(line) && !expected {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

var complaint = regexp.MustCompile(`\[(error|crit|alert|emerg)\]`)

// openAtEnd is what a worker from before a reload says of clients that are
// still connected when nginx is stopped.
var openAtEnd = regexp.MustCompile(`open socket #\d+ left in connection|\d: aborting`)
