package stand

import (
	"os/exec"
	"runtime"
	"syscall"
)

// begin starts a process by start, and has follow wait for its end. If this process ends
// first, whatever kills it, the kernel sends the other one a last signal; on Linux, elsewhere
// it stays.
func begin(c *exec.Cmd, last syscall.Signal, start func() error, follow func()) error {
	detach(c)
	signalAtOurEnd(c, last)
	started := make(chan error)
	go func() {
		// The kernel looks at the thread that started the process. This one is the
		// goroutine's alone until the process has ended, and ends with it.
		runtime.LockOSThread()
		err := start()
		started <- err
		if err == nil {
			follow()
		}
	}()
	return <-started
}

// detach keeps a terminal's Ctrl-C from a process: who started it ends it, in order.
func detach(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
