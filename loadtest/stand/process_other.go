//go:build !linux

package stand

import (
	"os/exec"
	"syscall"
)

func signalAtOurEnd(*exec.Cmd, syscall.Signal) {}
