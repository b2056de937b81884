//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience bounds every wait for something that ought to happen soon.
const patience = 60 * time.Second

// process is a server under measurement.
type process struct {
	cmd *exec.Cmd
	// port on 127.0.0.1 where it listens.
	port int
	// done is closed when its output has ended.
	done chan struct{}
}

var listening = regexp.MustCompile(`listening.*?127\.0\.0\.1:(\d+)`)

// start runs a command and waits for the line that says where it listens.
// What it writes on standard error goes to the file named log.
func start(log string, name string, args ...string) (*process, error) {
	errorLog, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("making a log: %w", err)
	}
	defer errorLog.Close()
	cmd := exec.Command(name, args...)
	cmd.Stderr = errorLog
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	ready := make(chan int, 1)
	go func() {
		defer close(p.done)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			if found := listening.FindStringSubmatch(lines.Text()); found != nil && len(ready) == 0 {
				port, _ := strconv.Atoi(found[1]) // digits, by the expression
				ready <- port
			}
		}
	}()
	select {
	case p.port = <-ready:
		return p, nil
	case <-p.done:
	case <-time.After(patience):
	}
	return nil, errors.Join(fmt.Errorf("%s did not become ready; its log is %s", name, log), p.kill())
}

// stop asks the process to end and waits for it.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	impatient := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer impatient.Stop()
	<-p.done
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("the server did not stop cleanly: %w", err)
	}
	return nil
}

// kill ends the process at once and waits for it.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing: %w", err)
	}
	<-p.done
	_ = p.cmd.Wait() // it was killed: the status says just that
	return nil
}

// clockTick is the unit of CPU times in /proc: USER_HZ, 100 on every Linux.
const clockTick = 10 * time.Millisecond

// cpu is the user and system time that the process has used.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading CPU time: %w", err)
	}
	// The command's name, in parentheses, may hold spaces: count behind it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("reading CPU time: %d fields", len(fields))
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * clockTick, errors.Join(err1, err2)
}

// resident is the process's resident memory in bytes.
func (p *process) resident() (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			return kib << 10, err
		}
	}
	return 0, errors.New("reading memory: no VmRSS")
}
