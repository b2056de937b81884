package stand

import (
	"os/exec"
	"syscall"
)

func signalAtOurEnd(c *exec.Cmd, s syscall.Signal) { c.SysProcAttr.Pdeathsig = s }
